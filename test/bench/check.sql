-- What is wrong with the contact data that a contender leaves, told without contact_sync; "right" if nothing is.  The
-- template's numbers begin with 1 or 2 and are verified, all others are new.
WITH wanted AS (
    SELECT c.id AS customer_id, w.method, w.number, c.created_at
    FROM customers c CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone))
         AS w(method, number)
    WHERE w.number <> ''
), pair AS (
    SELECT w.customer_id IS NOT NULL AND m.customer_id IS NOT NULL AND w.number = m.phone_number AS same_number,
           m.id IS NULL OR m.created_at = w.created_at OR w.created_at > '2024-01-01' AS same_row,
           (m.last_verified IS NOT NULL, m.verification_status = 'verified', m.is_available, m.is_preferred)
           = (left(m.phone_number, 1) <= '2', left(m.phone_number, 1) <= '2', true, m.method_type = 'whatsapp')
               AS same_state
    FROM wanted w FULL JOIN contact_methods m ON m.customer_id = w.customer_id AND m.method_type = w.method
), complaint(place, what, rows) AS (
    SELECT 1, 'numbers are not filled', count(*)
    FROM customers WHERE (coalesce(phone, '') = '') <> (coalesce(whatsapp, '') = '')
    UNION ALL
    SELECT 2, 'numbers are wrong or missing', count(*) FROM pair WHERE NOT same_number
    UNION ALL
    SELECT 3, 'rows are replaced and what was known of them is lost', count(*)
    FROM pair WHERE same_number AND NOT same_row
    UNION ALL
    SELECT 4, 'rows are not as the rules say', count(*) FROM pair WHERE same_number AND same_row AND NOT same_state
    UNION ALL
    SELECT 5, 'preferences are missing', count(*)
    FROM customers c WHERE NOT EXISTS (SELECT FROM contact_preferences p WHERE p.customer_id = c.id)
)
SELECT coalesce(string_agg(what, '; ' ORDER BY place), 'right') FROM complaint WHERE rows > 0;
