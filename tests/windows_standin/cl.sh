#!/bin/sh
# cl's arguments, carried out by the cross compiler mingw. Writes its words to cl.out, and last
# its exit code to cl.status.
unix() { printf %s "$1" | sed 's/^[Zz]://; s/\\/\//g'; }
compiler=x86_64-w64-mingw32-g++ standard=-std=c++17 output= libraries= compile=
for word; do
    case $word in
    /TC) compiler=x86_64-w64-mingw32-gcc standard=-std=c17 ;;
    /c) compile=-c ;;
    /Fe*) output="-o $(unix "${word#/Fe}")" ;;
    *.lib) libraries="$libraries -l${word%.lib}" ;;
    /*) ;;
    *) source=$(unix "$word") ;;
    esac
done
printf '%s\r\n' "${source##*/}" >cl.out
$compiler $standard $compile -static -O1 -Wall -Wextra -fdiagnostics-color=never "$source" $output $libraries >>cl.out 2>&1
code=$?
echo "$code." >cl.status.tmp
mv cl.status.tmp cl.status
