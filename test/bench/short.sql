-- The table that says it in short; after report.sql has counted.
SELECT line('workload', 'ratio to', 'at most', 'contact_sync', 'contact_sync, row', 'tuned, statement', 'tuned, row',
            'proposed fix', 'legacy', 'switched off', 'floor');
SELECT line(VARIADIC array_fill('---'::text, ARRAY[11]));
SELECT line(VARIADIC ARRAY[format('%s, %s', customers(b.rows), w.title), b.base, ratio(b.bound)]
            || array_agg(ratio(CASE b.base WHEN 'none' THEN m.to_none ELSE m.to_hand END) ORDER BY c.place DESC))
FROM bound b JOIN workload w USING (workload) CROSS JOIN contender c
     LEFT JOIN median m ON (m.kind, m.rows, m.workload, m.contender) = ('attach', b.rows, b.workload, c.contender)
                           AND NOT m.growing
WHERE c.contender NOT IN ('none', 'by_hand')
GROUP BY b.rows, w.place, w.title, b.base, b.bound
ORDER BY b.rows, w.place;
