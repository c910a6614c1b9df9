#!/usr/bin/env lua

local value = 1

---@param stay number
--[[@as string]]
local function f(stay, other)
  local sum = stay - -other
  -- luacheck: ignore 211
  local long = [[
  -- no comment
  ]]
  return sum + 1, long
end

if value then
else
  f{ 1, 2;
    "-- three" }
end
