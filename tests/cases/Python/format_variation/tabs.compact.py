def tabs(a):
  if a:
    return [1,
      2]
  return {
    "a": 1,
  }
class T:
  x=1
  y=2
