-- Names that may move are called moves..., all others stay...
local stay_module = {}
local stay_upvalue = 1

function stay_module.stay_field(finger, dragon, ...)
  local border, pillow = finger + dragon + stay_upvalue, select("#", ...)
  local spring = { stay_key = border, [pillow] = pillow, finger }
  spring.stay_key, spring[finger] = dragon, dragon
  for amount = 1, border, pillow do
    spring:stay_method(amount) { amount }
  end
  for anchor, cradle in pairs(spring) do
    local anchor <const> = anchor
    stay_global = cradle(anchor)
  end
  repeat
    local pepper = stay_upvalue
  until pepper or not border
  goto stay_label
  ::stay_label::
  return (border), -pillow, function(lagoon)
    return lagoon .. finger
  end
end

function stay_module:stay_self(stay_string, self)
  local orchid = 1
  local function stay_local(circle)
    return circle == 0 and "stay_string" or stay_local(circle - 1)
  end
  local stay_outside = stay_outside
  stay_upvalue = self.stay_key
  return stay_string, orchid, stay_outside
end

stay_module.stay_debug = function(stay_seen)
  return debug.getlocal(1, 1), stay_seen
end

local function stay_last(answer)
  local tunnel = answer
  return tunnel
end
