#!/bin/bash

function f() {
  local x=1
  cat <<EOF
    text   stays
	as it is
EOF
  cat <<-'A' | sort
	first
	A
  if [ "$x" = 1 ]; then
    echo "a string
    over lines"    'another
    one'
  elif [[ $x == a* ||
      $x == b ]]; then
    echo one \
            two
  else
    y=$(
      command | grep x |
        sort
    )
  fi
  case $x in
    a) echo a ;;
    b)
      echo b
      ;;
  esac
  array=(
    one
    two
  )
}
while read -r line; do f "$line"; done < <(cat file)
