#!/bin/bash
# shellcheck disable=SC2034
# A note.
set -e # trailing
x=${#array[@]} # length
y=${z#prefix} # not a comment in the braces
echo a#b $# "# not" '# nor this'
cat <<EOF # after the start of a heredoc
# text of the heredoc
EOF
if true; then
  # only inside
  echo 1 \
    2 # after a continued line
fi
# shellcheck source=/dev/null
. ./file
case $x in # word
  a) # pattern
    ;; # end
esac
