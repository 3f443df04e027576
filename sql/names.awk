# Puts the names of all objects that the install script creates in place of the line @names@ of its
# first part, as rows of VALUES. Reads the parts twice: first for the names, then to print them.
#   awk -f sql/names.awk pass=1 PARTS pass=2 PARTS

pass == 1 && match($0, /^ *CREATE (UNLOGGED )?(TABLE|VIEW|SEQUENCE|FUNCTION|AGGREGATE|TYPE) [a-z]+\.[a-z_0-9]+/) {
    words = split(substr($0, RSTART, RLENGTH), word, " ")
    kind = word[words - 1] ~ /FUNCTION|AGGREGATE/ ? "routine" : word[words - 1] ~ /TYPE/ ? "type" : "relation"
    split(word[words], part, ".")
    row = "('" kind "', '" part[1] "', '" part[2] "')"
    if (!(row in seen)) names = names (names == "" ? "" : ",\n            ") row
    seen[row] = 1
}
pass == 2 { if ($1 == "@names@") print "            " names; else print }
