"""The Beam job of the preparation: the only modules that need Beam beside `pipeline/runners.py`.

job --> reading, arranging, ranking, writing --> the plain functions of `components`
                       |
                     tables: how a table crosses from one step to the next
"""
