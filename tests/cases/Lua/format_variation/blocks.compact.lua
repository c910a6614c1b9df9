#!/usr/bin/lua
local names = {"first","second","third",["a b"]=4; last=[[ long
    string ]]}
function names.all(self,prefix,...)
  local found = {}
  for _,name in ipairs(self) do
    -- one of them
    if name ~= prefix and #name>2 then
      found[#found+1]=name
    elseif not name then
      goto continue
    else
      call_with(name,prefix,- -1)
    end
    ::continue::
  end
  repeat local a,b=1,2 until a==b
  print "x"; print{1,2,3,4,5,6}
  return found,function(a) return a..1 .."x" end
end
