-- The results as Markdown, and as data for the plots, in the current folder.
SET client_min_messages = warning;
CREATE TABLE result (kind text, rows integer, workload text, contender text, round text, ms numeric,
    subtransactions bigint, wal numeric, memory integer, verdict text);
\copy result FROM '../results.csv' CSV
CREATE TABLE overflow (contender text, alone numeric, beside numeric);
\copy overflow FROM '../overflow.csv' CSV
CREATE TABLE row_security (contender text, sqlstate text, verdict text);
\copy row_security FROM '../row_security.csv' CSV

CREATE TABLE contender (place integer, contender text, title text, what text);
INSERT INTO contender VALUES
    (1, 'none', 'none', 'customers without triggers; contact data is not written'),
    (2, 'floor', 'floor', 'the least there is to do: a BEFORE UPDATE trigger that is never called, for PostgreSQL locks '
                          'each row for it; and one statement that changes customers and updates the methods that it '
                          'knows are there'),
    (3, 'off', 'switched off', 'after `attach()`, with `contact_sync.enabled = off`: the triggers are there and return '
                               'at once'),
    (4, 'by_hand', 'by hand', 'no triggers; one statement, as a careful application would write it: it changes '
                              'customers and updates their methods, or inserts those that are missing'),
    (5, 'legacy', 'legacy', 'the legacy PL/pgSQL triggers'),
    (6, 'seed', 'proposed fix', 'the legacy triggers with ON CONFLICT DO NOTHING in exception blocks'),
    (7, 'tuned_row', 'tuned, row', 'PL/pgSQL written with care, row-level: the same rules, the owner''s rights, an '
                                   'exception block; WHEN keeps it from being called where no number changed'),
    (8, 'tuned_statement', 'tuned, statement', 'the same, statement-level with transition tables'),
    (9, 'row', 'contact_sync, row', 'the row triggers alone, as a partition has them that is newer than attach'),
    (10, 'statement', 'contact_sync', 'after `attach()`');

CREATE TABLE workload (place integer, workload text, title text);
INSERT INTO workload VALUES
    (1, 'untouched', 'numbers untouched'), (2, 'changed', 'phone changed'), (3, 'inserted', 'inserted');

-- Ratios are to what the others took in the same round, a moment before or after.
CREATE VIEW median AS
SELECT r.kind, r.rows, r.workload, r.contender, r.round ~ 'growth' AS growing,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms) AS ms,
       percentile_cont(0.25) WITHIN GROUP (ORDER BY r.ms) AS low,
       percentile_cont(0.75) WITHIN GROUP (ORDER BY r.ms) AS high,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / none.ms) AS to_none,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.ms / by_hand.ms) AS to_hand,
       max(r.subtransactions) AS subtransactions, max(r.memory) AS memory,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY r.wal) / r.rows AS wal,
       CASE WHEN r.contender <> 'none' THEN string_agg(DISTINCT r.verdict, '; ') END AS verdict
FROM result r
     JOIN result none USING (kind, rows, workload, round)
     LEFT JOIN result by_hand ON (by_hand.kind, by_hand.rows, by_hand.workload, by_hand.round, by_hand.contender)
                                 = (r.kind, r.rows, r.workload, r.round, 'by_hand')
WHERE none.contender = 'none'
GROUP BY r.kind, r.rows, r.workload, r.contender, r.round ~ 'growth';

-- What we set out for.  Where numbers are untouched there is nothing to do by hand.
CREATE TABLE bound (rows integer, workload text, base text, bound numeric);
INSERT INTO bound VALUES
    (1, 'untouched', 'none', 1.05), (1, 'changed', 'by hand', 0.96), (1, 'inserted', 'by hand', 0.92),
    (:rows, 'untouched', 'none', 1.15), (:rows, 'changed', 'by hand', 0.95), (:rows, 'inserted', 'by hand', 0.80);

CREATE FUNCTION duration(ms double precision) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN ms < 10 THEN round((ms * 1000)::numeric) || ' µs' ELSE round(ms::numeric) || ' ms' END
$$;
CREATE FUNCTION customers(n bigint) RETURNS text LANGUAGE sql AS $$
    SELECT CASE n WHEN 1 THEN 'one row' ELSE ltrim(to_char(n, '9,999,999')) || ' rows' END
$$;
CREATE FUNCTION ratio(double precision) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(ltrim(to_char($1, '9990.00')), '–')
$$;
-- A line of a Markdown table.
CREATE FUNCTION line(VARIADIC cells text[]) RETURNS text LANGUAGE sql AS $$
    SELECT '| ' || array_to_string(cells, ' | ', '') || ' |'
$$;

\pset format unaligned
\pset tuples_only on
\o benchmark.md
SELECT format($$# Benchmark

Made by `make bench`, not written by hand. Machine: %s. %s. Settings: `fsync = off`, %s; all else is the default.

What is compared:

| contender | what it is |
| --- | --- |$$, :'machine', substring(version() FROM '^PostgreSQL [^ ]+'), :'settings');
SELECT line(title, what) FROM contender ORDER BY place;
SELECT format($$
Each does the same workload as the tables' owner, whom row-level security does not hold back: under it the legacy
triggers could not do any (see [below](#under-row-level-security)). Insertions come with a phone alone, so that whatsapp
is to be filled. After each measurement the contact data is compared with what it must be, by a query that is
independent of all of them; "contact data" says what was wrong. No contender but contact_sync records failures, limits
how long it waits for locks, or saves the other customers of a statement in which one customer's data cannot be written.

One-row statements: %s rounds of %s prepared statements for each contender, in turn, among %s customers; the first %s of
a session are not counted, and of the others a round takes the mean of the middle half. Statements for %s: %s rounds,
each on a fresh copy. Times are medians of the rounds, with quartiles; ratios are medians of the ratios to what `none`
and `by hand` took in the same round. Subtransactions are those with an XID, per statement; WAL is in bytes per
customer.

## In short

Tables as attach creates them. "At most" is what we set out for. Where numbers are untouched, "switched off" is
PostgreSQL's own part of it: it locks each row for a BEFORE trigger, calls that, and reads both versions of each row again
for an AFTER trigger. WHEN saves "tuned, row" some of this, and has its own price: a column that is named there
can neither be dropped nor change its type, and row-level triggers take a subtransaction a row where numbers do change.
$$, :rounds, :transactions, ltrim(to_char(:few_customers, '9,999,999')), :warm_up, customers(:rows), :long_rounds);
\i :bench/short.sql
SELECT $$
![Ratios on tables as attach creates them](benchmark-attach.svg)$$;

SELECT format($$
## On %s, %s

| workload | contender | median | quartiles | to none | to by hand | subtransactions | WAL | contact data |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
%s$$,
       CASE kind WHEN 'attach' THEN 'tables as attach creates them' ELSE 'the legacy tables' END, customers(rows),
       string_agg(line(w.title, c.title, duration(ms), duration(low) || ' to ' || duration(high), ratio(to_none),
                       ratio(to_hand), subtransactions::text, round(wal::numeric)::text, coalesce(verdict, '–')),
                  E'\n' ORDER BY w.place, c.place))
FROM median m JOIN workload w USING (workload) JOIN contender c USING (contender)
WHERE NOT growing
GROUP BY kind, rows
ORDER BY kind, rows;

SELECT $$
![Ratios on the legacy tables](benchmark-legacy.svg)

## Growth

The phone changed of every customer, on tables as attach creates them. Memory is the most that the backend had of its
own, without shared buffers. A contender that took more than six seconds is not tried with ten times as many.
$$;
SELECT line(VARIADIC ARRAY['contender'] || array_agg(customers(rows) ORDER BY rows)
            || array_agg(customers(rows) || ', memory' ORDER BY rows))
FROM (SELECT DISTINCT rows FROM median WHERE growing) AS size;
SELECT line(VARIADIC array_fill('---'::text, ARRAY[1 + 2 * count(DISTINCT rows)::integer])) FROM median WHERE growing;
SELECT line(VARIADIC ARRAY[c.title] || array_agg(coalesce(duration(ms), '–') ORDER BY rows)
            || array_agg(coalesce(round(memory / 1024.0, 1) || ' MB', '–') ORDER BY rows))
FROM contender c CROSS JOIN (SELECT DISTINCT rows FROM median WHERE growing) AS size
     LEFT JOIN (SELECT * FROM median WHERE growing) AS m USING (contender, rows)
GROUP BY c.place, c.title
HAVING count(ms) > 0
ORDER BY c.place;

SELECT format($$
![Time](benchmark-growth.svg)
![Memory](benchmark-memory.svg)

## Beside a long transaction

Transactions a second of eight clients, each of which changes a customer's points and reads the customer: alone; and
while one session holds an old snapshot and another has inserted %s in one transaction that it has not committed yet,
and is idle. More than 64 subtransactions in a transaction are more than shared memory has room for, and each snapshot
pays for it.

| insertion by | alone | beside | of it |
| --- | --- | --- | --- |$$, customers(:rows));
SELECT line(title, round(alone)::text, round(beside)::text, round(100 * beside / alone) || ' %')
FROM overflow JOIN contender USING (contender) ORDER BY place;

SELECT $$
![Transactions a second](benchmark-overflow.svg)

## Under row-level security

On the legacy system, an app's role, subject to the policies of the legacy tables, changes phone numbers. Those
policies let it delete no contact method.

| contender | SQLSTATE | HTTP status | contact data |
| --- | --- | --- | --- |$$;
SELECT line(title, sqlstate, CASE sqlstate WHEN '00000' THEN '200' WHEN '23505' THEN '409' ELSE '?' END,
            CASE sqlstate WHEN '00000' THEN verdict ELSE 'no customer can be changed' END)
FROM row_security JOIN contender USING (contender)
WHERE contender NOT IN ('none', 'floor') ORDER BY place;
\o

-- For the README
\o short.md
SELECT format($$
Times as a multiple of what it takes without triggers (numbers untouched), or of one statement in which an application
writes the contact data itself; medians of interleaved rounds. The floor is the least there is to do: PostgreSQL locks
each row of an UPDATE for a BEFORE trigger, even for one that is never called. Switched off, triggers return at once.
Measured with %s on %s, without fsync.
$$, substring(version() FROM '^PostgreSQL [^ ]+'), :'machine');
\i :bench/short.sql
SELECT '';
\o

-- Plots: a line for each x, a column for each contender.
CREATE VIEW point AS
SELECT m.kind AS plot, row_number() OVER (PARTITION BY m.kind, c.contender ORDER BY b.rows, w.place) AS x,
       format('%s,\n%s', customers(b.rows), replace(w.title, ' ', '\n')) AS label, c.place, c.title,
       CASE b.base WHEN 'none' THEN m.to_none ELSE m.to_hand END AS value
FROM bound b JOIN workload w USING (workload) JOIN median m USING (rows, workload) JOIN contender c USING (contender)
WHERE NOT m.growing AND c.place > 4
UNION ALL
SELECT measure.plot, rows, rows::text, place, title, measure.value
FROM median JOIN contender USING (contender)
     CROSS JOIN LATERAL (VALUES ('growth', 1000 * ms / rows), ('memory', memory / 1024.0)) AS measure(plot, value)
WHERE growing
UNION ALL
SELECT 'overflow', contender.place, replace(contender.title, ' ', '\n'), kind.place, kind.title, kind.value
FROM overflow JOIN contender USING (contender)
     CROSS JOIN LATERAL (VALUES (1, 'alone', alone), (2, 'beside the transaction', beside))
                        AS kind(place, title, value);
CREATE VIEW line_of_plot AS
WITH x AS (SELECT DISTINCT plot, x, label FROM point), y AS (SELECT DISTINCT plot, place, title FROM point)
SELECT plot, 0 AS x, 'x ' || string_agg(format('"%s"', title), ' ' ORDER BY place) AS line FROM y GROUP BY plot
UNION ALL
SELECT plot, x, format('"%s" ', label) || string_agg(coalesce(value::text, '?'), ' ' ORDER BY place)
FROM x JOIN y USING (plot) LEFT JOIN point USING (plot, x, label, place, title)
GROUP BY plot, x, label;
SELECT format($$\o %1$s.dat
SELECT line FROM line_of_plot WHERE plot = '%1$s' ORDER BY x;
\o$$, plot) FROM (SELECT DISTINCT plot FROM point) AS p \g plots.sql
\i plots.sql
\! rm plots.sql
