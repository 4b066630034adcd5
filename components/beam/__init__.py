"""The Beam jobs: the only modules that need Beam beside `pipeline/runners.py`.

job    --> reading, arranging, ranking, writing --+--> the plain functions of `components`
asking -------------------------------------------+
           |                  |
         tables: how a        failures: what a worker raised,
         table crosses from   as the driver sees it
         one step to the next
"""
