\set n random(1, :customers)
UPDATE customers SET points = points + 1 WHERE id = md5(:n)::uuid;
