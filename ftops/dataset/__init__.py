"""Training data: what a file of rows holds, and what the provider would refuse in it.

Everything here is a function of the bytes it is handed. Rows are private: a diagnostic names keys, roles and places,
and never shows content.
"""
