"""What shows only in a whole file, or in several: rows that are alike, contradict, leak, or stand out from the rest.

Everything here works on columns, so that no file is read twice; where the text itself must decide, a few rows are read
through a function that is handed in. Each check speaks of counts and lines, never of content, and states its threshold.
"""
