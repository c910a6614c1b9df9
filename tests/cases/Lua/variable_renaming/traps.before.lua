-- Names that may move are called moves..., all others stay...
local stay_module = {}
local stay_upvalue = 1

function stay_module.stay_field(moves_a, moves_b, ...)
  local moves_sum, moves_rest = moves_a + moves_b + stay_upvalue, select("#", ...)
  local moves_table = { stay_key = moves_sum, [moves_rest] = moves_rest, moves_a }
  moves_table.stay_key, moves_table[moves_a] = moves_b, moves_b
  for moves_i = 1, moves_sum, moves_rest do
    moves_table:stay_method(moves_i) { moves_i }
  end
  for moves_key, moves_value in pairs(moves_table) do
    local moves_key <const> = moves_key
    stay_global = moves_value(moves_key)
  end
  repeat
    local moves_done = stay_upvalue
  until moves_done or not moves_sum
  goto stay_label
  ::stay_label::
  return (moves_sum), -moves_rest, function(moves_inner)
    return moves_inner .. moves_a
  end
end

function stay_module:stay_self(stay_string, self)
  local moves_plain = 1
  local function stay_local(moves_n)
    return moves_n == 0 and "stay_string" or stay_local(moves_n - 1)
  end
  local stay_outside = stay_outside
  stay_upvalue = self.stay_key
  return stay_string, moves_plain, stay_outside
end

stay_module.stay_debug = function(stay_seen)
  return debug.getlocal(1, 1), stay_seen
end

local function stay_last(moves_only)
  local moves_last = moves_only
  return moves_last
end
