"""The one door to AWS: everything tapgen asks of it, in tapgen's own nouns.

botocore's dictionaries and exceptions do not leave this package.
"""
