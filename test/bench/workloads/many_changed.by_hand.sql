WITH changed AS (
    UPDATE customers SET phone = '3' || substr(phone, 2) RETURNING id, phone
), updated AS (
    UPDATE contact_methods AS m
    SET phone_number = c.phone, is_available = true, verification_status = 'unknown', last_verified = NULL,
        updated_at = now()
    FROM changed c
    WHERE m.customer_id = c.id AND m.method_type IN ('sms', 'phone_call') AND m.phone_number <> c.phone
)
INSERT INTO contact_methods (customer_id, method_type, phone_number)
SELECT c.id, w.method, c.phone
FROM changed c CROSS JOIN (VALUES ('sms'), ('phone_call')) AS w(method)
WHERE NOT EXISTS (SELECT FROM contact_methods e WHERE e.customer_id = c.id AND e.method_type = w.method);
