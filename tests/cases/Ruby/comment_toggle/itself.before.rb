# usage: tool FILE
puts File.read(__FILE__)[/usage.*/]
