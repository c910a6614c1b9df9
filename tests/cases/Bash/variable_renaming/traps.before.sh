#!/bin/bash
# A caller may read any variable of a function.
f() {
    local stay_name=1
    echo "$stay_name"
}
