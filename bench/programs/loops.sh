# Arithmetic, arrays, strings, functions and case in bash.  usage: bash loops.sh N
scale() { ((result = $1 * 3 % 7)); }

declare -a counts=(0 0 0 0 0 0 0)
text='' total=0
for ((i = 0; i < $1; i++)); do
  scale "$i"
  ((total += result, counts[result]++))
  case $result in
    0 | 1) text+=${i: -1} ;;
    [2-4]) text=${text#?} ;;
    *) text=${text/1/22} ;;
  esac
done
echo "$total ${counts[*]} $text"
