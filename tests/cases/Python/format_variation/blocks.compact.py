"""Module
    docstring stays as it is.
"""
import os
LIMITS=(1,2,3)  # trailing

# A comment of its own.
def function(first,second=None,*others,keyword=1,**rest):
  """Docstring with
        its own indentation.
    """
  text="""
    a string
"""
  if first:
    value=call(first,second)
    return {"first": first,"second": second,"third": LIMITS[0],"fourth": None}
  elif second:
    pass
  else:
    continued=first + \
            1
    return value
  match first:
    case 1:
      # inside
      return call(
        first,
        second,
      )
    case _:
      pass
@decorator(1,2)
class Thing:
  x = -1
  y: int=2
  z=x if x<1 else x ** 2
  def method(self): return lambda a,b: a*b
  async def other(self):
    async with open(self.name) as handle:
      print("%s" % handle,file=handle)
    f"{self.x=} {self.y:>{10}}"
    f"{call(1, 2)}, {self.z}"
