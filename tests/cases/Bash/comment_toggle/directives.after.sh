#!/bin/bash
# shellcheck disable=SC2034
set -e
x=${#array[@]}
y=${z#prefix}
echo a#b $# "# not" '# nor this'
cat <<EOF # after the start of a heredoc
# text of the heredoc
EOF
if true; then
  echo 1 \
    2
fi
# shellcheck source=/dev/null
. ./file
case $x in
  a)
    ;;
esac
