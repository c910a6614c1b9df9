#!/bin/sh
# Usage: help.sh [options]
usage() { sed -n 's/^# //p' "$0"; }
usage
