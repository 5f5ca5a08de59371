"""How many tokens a row has, how many of them are learnt, and where it would be cut, for each base model.

Exact for text: the counts are those of the base model's own tokenizer. What a provider wraps round texts is known only
in part; docs/tokens.md says what is exact and what is an estimate.
"""
