\set n random(1, :customers)
\set phone random(30000000, 99999999)
UPDATE customers SET phone = :phone WHERE id = md5(:n)::uuid;
