total = 1 + \
    2
other = 3 \
# a comment that ends a continued line keeps the next statement apart
last = (4,
        5)
text = """
# not a comment
"""
fstring = f"{total!r:>{last[0]}}"
if total:
    other = 1; last = 2
