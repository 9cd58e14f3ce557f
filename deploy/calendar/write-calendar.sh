#!/bin/sh
# Writes whether today is a working day in China, and how far the table goes, for the exporter's textfile collector: write-calendar.sh DIRECTORY [DATE]
# Leaves the file alone, and fails, where china.csv does not have the year: CalendarUnusable then says that the calendar is old.
# CalendarEnding tells two weeks before the table ends; in December a note on standard error, which cron mails, says so, too.
set -eu
directory=${1:?usage: write-calendar.sh DIRECTORY [YYYY-MM-DD]}
day=${2:-$(TZ=Asia/Shanghai date +%F)}
table=$(dirname "$0")/china.csv
year=${day%%-*}
has_year() { grep -q "^# years:.* $1\( \|\$\)" "$table"; }
if ! has_year "$year"; then
    echo "$table has no days of $year: add them (README.md beside it says how)" >&2
    exit 1
fi
kind=$(sed -n "s/^$day,\([a-z]*\),.*/\1/p" "$table")
case $kind in
    holiday) workday=0 ;;
    workday) workday=1 ;;
    *) if [ "$(date -d "$day" +%u)" -le 5 ]; then workday=1; else workday=0; fi ;;
esac
last=$year
while has_year $((last + 1)); do last=$((last + 1)); done
# The first second of that year's last day, in UTC+8.
last_day=$(TZ=Asia/Shanghai date -d "$last-12-31" +%s)
# A reader never sees half a file: renaming is atomic, and a name without .prom is not read.
new=$directory/calendar.prom.new
cat > "$new" <<END
# HELP gpumon_calendar_workday Whether today is a working day in China.
# TYPE gpumon_calendar_workday gauge
gpumon_calendar_workday $workday
# HELP gpumon_calendar_last_day_timestamp_seconds When the last day begins that the table of holidays has, in UTC+8.
# TYPE gpumon_calendar_last_day_timestamp_seconds gauge
gpumon_calendar_last_day_timestamp_seconds $last_day
END
mv "$new" "$directory/calendar.prom"
case $day in
    *-12-*) has_year $((year + 1)) || echo "note: $table has no days of $((year + 1)) yet: add them before January (README.md beside it says how)" >&2 ;;
esac
