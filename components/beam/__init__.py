"""The Beam job of the preparation: the only modules that need Beam beside `pipeline/runners.py`.

job --> reading --> transforms --> elements --> the plain functions of `components`
|
table_coder: how a table crosses from one step to the next
"""
