\set n random(1, :customers)
\set phone random(30000000, 99999999)
WITH changed AS (
    UPDATE customers SET phone = :phone WHERE id = md5(:n)::uuid RETURNING id, phone
)
UPDATE contact_methods AS m
SET phone_number = c.phone, is_available = true, verification_status = 'unknown', last_verified = NULL,
    updated_at = now()
FROM changed c
WHERE m.customer_id = c.id AND m.method_type IN ('sms', 'phone_call') AND m.phone_number <> c.phone;
