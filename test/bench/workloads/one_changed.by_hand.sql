\set n random(1, :customers)
\set phone random(30000000, 99999999)
WITH changed AS (
    UPDATE customers SET phone = :phone WHERE id = md5(:n)::uuid RETURNING id, phone
)
INSERT INTO contact_methods AS m (customer_id, method_type, phone_number)
SELECT id, method, phone FROM changed CROSS JOIN (VALUES ('sms'), ('phone_call')) AS w(method)
ON CONFLICT (customer_id, method_type) DO UPDATE
SET phone_number = excluded.phone_number, is_available = true, verification_status = 'unknown', last_verified = NULL,
    updated_at = now()
WHERE m.phone_number <> excluded.phone_number;
