\set n random(1, 1000)
UPDATE customers SET points = points + 1 WHERE id = md5(:n)::uuid;
SELECT name, phone, points FROM customers WHERE id = md5(:n)::uuid;
