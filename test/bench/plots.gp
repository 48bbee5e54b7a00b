# The plots of the data in the current folder.
set terminal svg size 900,450 noenhanced font "sans,12" background "white"
set datafile missing "?"
set key above
set bmargin 5
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
set linetype 1 lc rgb "#bbbbbb"
set linetype 2 lc rgb "#777777"
set linetype 3 lc rgb "#000000"
set linetype 4 lc rgb "#e6ab02"
set linetype 5 lc rgb "#d95f02"
set linetype 6 lc rgb "#a6cee3"
set linetype 7 lc rgb "#7570b3"
set linetype 8 lc rgb "#66c2a5"
set linetype 9 lc rgb "#1b7837"

set style data histogram
set style histogram clustered gap 1
set style fill solid
set yrange [0:*]

set ylabel "times what none (untouched) or by hand took"
do for [kind in "attach legacy"] {
    set output "benchmark-".kind.".svg"
    plot for [i=2:7] kind.".dat" using i:xtic(1) lt i+2 title columnheader(i), 1 lc rgb "black" notitle
}

set ylabel "transactions a second"
set output "benchmark-overflow.svg"
plot "overflow.dat" using 2:xtic(1) lt 2 title columnheader(2), "" using 3 lt 9 title columnheader(3)

set style data linespoints
set xtics norotate
set key outside right top
set logscale x
set xtics format "%.0f"
set xlabel "customers changed by one statement"
set yrange [*:*]
set ylabel "microseconds a customer"
set logscale y
set output "benchmark-growth.svg"
plot for [i=2:10] "growth.dat" using (real(strcol(1))):i lt i-1 lw 2 title columnheader(i)
set ylabel "memory of the backend, MB"
set output "benchmark-memory.svg"
plot for [i=2:10] "memory.dat" using (real(strcol(1))):i lt i-1 lw 2 title columnheader(i)
