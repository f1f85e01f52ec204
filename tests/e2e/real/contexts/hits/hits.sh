#!/bin/sh
# Count the requests in redis, and say which this is.
n=$(printf 'INCR hits\r\nQUIT\r\n' | nc -w 5 redis 6379 | head -n 1 | tr -dc 0-9)
printf 'Content-Type: text/plain\r\n\r\nhit %s\n' "$n"
