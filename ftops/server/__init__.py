"""The fine-tuning dialect over HTTP, with a trainer behind it that really trains.

It imports nothing of ftops' client side, so that each checks the other.
"""
