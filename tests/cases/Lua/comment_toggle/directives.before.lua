#!/usr/bin/env lua
-- What the script does.

--- Documentation goes.
-- More of it.
local value = 1 -- behind

---@param stay number
--[[@as string]]
local function f(stay, --[[ between ]] other)
  --[==[ a block
  of ]] lines ]==] local sum = stay - -other
  -- luacheck: ignore 211
  local long = [[
  -- no comment
  ]]
  return sum--[[parts]]+ 1, long --[[ ends
  later ]]
end

if value then
  -- nothing to do
  -- --
  -- -- to --
  --
else
  f{ 1, --[[ one ]] 2; -- two
    "-- three" }
end
