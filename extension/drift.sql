
-- drift: every difference between customers and the contact tables, and what must be so that it can be told.

CREATE FUNCTION contact_sync_internal.obstacles(
    customers regclass, s contact_sync_internal.shape, writing boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.* FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name <> 'contact_history'
    ), found(step, object, problem) AS (
        SELECT 1, c.object, c.problem
        FROM contact_sync_internal.check_customers(customers, s) c
        WHERE c.status = 'blocked'
          AND (c.check_name IN ('customers_table', 'customers_key', 'number_column', 'number_columns')
               OR writing AND c.check_name = 'customers_owner')

        UNION ALL
        SELECT 2, c.object, c.problem
        FROM contact_sync_internal.check_tables(s) c
        WHERE c.status IN ('fix', 'blocked') AND EXISTS (SELECT FROM contact WHERE starts_with(c.object, contact.name))
          AND (c.check_name IN ('contact_table', 'contact_owner', 'customer_id_type')
               OR c.check_name = 'contact_column' AND EXISTS (
                   SELECT FROM contact JOIN contact_sync_internal.contact_columns(s) w USING (table_name)
                   WHERE w.needed AND c.object = format('%s.%I', contact.name, w.column_name))
               OR writing AND c.check_name IN ('untrusted_trigger', 'unique_key'))

        UNION ALL
        SELECT 2, format('%s.%I', contact.name, a.attname), 'a number is text, and this column is not'
        FROM contact JOIN pg_attribute a ON a.attrelid = contact.relation AND a.attname = 'phone_number'
        WHERE NOT contact_sync_internal.is_text(a.atttypid)
    )
    SELECT string_agg(format('%s: %s', object, problem), E'\n' ORDER BY step, object, problem) FROM found
$$;
COMMENT ON FUNCTION contact_sync_internal.obstacles(regclass, contact_sync_internal.shape, boolean) IS
    'why contact data cannot be compared with its customers (or be written), one line each; null where it can';

CREATE FUNCTION contact_sync_internal.require(
    customers regclass, id_column name, phone_column name, whatsapp_column name, writing boolean)
RETURNS contact_sync_internal.shape
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    s contact_sync_internal.shape :=
        contact_sync_internal.describe(customers, id_column, phone_column, whatsapp_column);
    found text;
BEGIN
    PERFORM contact_sync_internal.require_columns(s);
    found := contact_sync_internal.obstacles(customers, s, writing);
    IF found IS NOT NULL THEN
        RAISE EXCEPTION 'contact data cannot be compared with %', coalesce(customers::text, 'a table that is not there')
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = found,
                  HINT = 'contact_sync.verify shows what is wrong, contact_sync.attach mends most of it.';
    END IF;
    RETURN s;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.require(regclass, name, name, name, boolean) IS
    'describe, for a customers table whose contact data can be compared (or written); raises where it cannot';

CREATE FUNCTION contact_sync_internal.number_of(alias text, column_name name, attribute smallint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN attribute IS NULL THEN 'NULL::pg_catalog.text'
                ELSE format('contact_sync.number(%s.%I::pg_catalog.text) COLLATE pg_catalog."C"', alias, column_name) END
$$;
COMMENT ON FUNCTION contact_sync_internal.number_of(text, name, smallint) IS 'the SQL for a customer''s number';

CREATE FUNCTION contact_sync_internal.unwanted_methods(s contact_sync_internal.shape, sampled boolean)
RETURNS TABLE (number text, column_name name, rows bigint, unwanted bigint, most boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    methods record;
    pages bigint;
    share numeric := 1;
    statement text;
BEGIN
    SELECT t.* INTO STRICT methods FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name = 'contact_methods';
    IF num_nulls(s.phone, s.whatsapp) = 2 THEN
        RETURN;
    END IF;
    IF sampled THEN
        WITH family(relation) AS (
            SELECT * FROM contact_sync_internal.family(methods.relation)
        )
        SELECT sum(pg_relation_size(family.relation)) / current_setting('block_size')::bigint INTO pages FROM family;
        share := least(1, 300.0 / greatest(pages, 1));
    END IF;

    -- Only customers with an empty number are looked up or hashed.
    statement := format(
        $sql$
        SELECT w.number, pg_catalog.count(*), pg_catalog.count(c.id)
        FROM %1$s AS m%2$s
             JOIN (VALUES %3$s) AS w(method, number) ON m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) w.method
             LEFT JOIN (SELECT c.id, c.phone IS NULL AS no_phone, c.whatsapp IS NULL AS no_whatsapp
                        FROM (SELECT c.%4$I AS id, %5$s AS phone, %6$s AS whatsapp FROM %7$s AS c) AS c
                        WHERE c.phone IS NULL OR c.whatsapp IS NULL) AS c
                  ON m.customer_id %8$s c.id
                     AND CASE w.number WHEN 'whatsapp' THEN c.no_whatsapp ELSE c.no_phone END
        GROUP BY w.number
        $sql$,
        methods.name, CASE WHEN share < 1 THEN format(' TABLESAMPLE SYSTEM (%s) REPEATABLE (0)', 100 * share) END,
        (SELECT string_agg(format('(%L, %L)', w.method, w.number), ', ') FROM contact_sync_internal.methods_of(s) w),
        s.id_column, contact_sync_internal.number_of('c', s.phone_column, s.phone),
        contact_sync_internal.number_of('c', s.whatsapp_column, s.whatsapp), s.name, s.id_equality);
    RETURN QUERY EXECUTE format(
        $query$
        SELECT r.number, CASE r.number WHEN 'whatsapp' THEN %1$L::name ELSE %2$L END, (r.rows / %3$s)::bigint,
               (r.unwanted / %3$s)::bigint,
               -- A handful is no sign of a mistake.
               r.unwanted >= 10 AND 2 * r.unwanted > r.rows
        FROM contact_sync_internal.%4$I($1, NULL) AS r(number text, rows bigint, unwanted bigint)
        $query$, s.whatsapp_column, s.phone_column, share, CASE WHEN sampled THEN 'look_up' ELSE 'write' END)
    USING statement;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN;                     -- as count_rows
END
$$;
COMMENT ON FUNCTION contact_sync_internal.unwanted_methods(contact_sync_internal.shape, boolean) IS
    'for each number (or, sampled, for about 300 pages of a large table): how many of its methods are there, are unwanted, '
    'and whether these are most of them';

CREATE FUNCTION contact_sync.drift(
    customers regclass DEFAULT pg_catalog.to_regclass('customers'),
    id_column name DEFAULT NULL, phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL)
RETURNS TABLE (customer text, kind text, method text, expected text, actual text)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION contact_sync.drift(regclass, name, name, name) IS
    'every difference between customers and their contact data: missing, stale, unwanted, orphan, no preferences';

CREATE FUNCTION contact_sync_internal.customers_sql(s contact_sync_internal.shape, source text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('SELECT c.%1$I AS id, %2$s AS phone, %3$s AS whatsapp FROM %4$s WHERE c.%1$I IS NOT NULL',
                  s.id_column, contact_sync_internal.number_of('c', s.phone_column, s.phone),
                  contact_sync_internal.number_of('c', s.whatsapp_column, s.whatsapp), source)
$$;
COMMENT ON FUNCTION contact_sync_internal.customers_sql(contact_sync_internal.shape, text) IS
    'the SQL for customers (id, phone, whatsapp) of a FROM item c';

CREATE FUNCTION contact_sync_internal.drift_sql(s contact_sync_internal.shape) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Ids as text are what their type's output function makes of them, as in failures.
    SELECT format(
        $sql$
        SELECT format('%%s', c.id),
               CASE WHEN m.customer_id IS NULL THEN 'missing' WHEN w.number IS NULL THEN 'unwanted' ELSE 'stale' END,
               w.method, w.number, m.phone_number::text
        FROM c CROSS JOIN LATERAL (VALUES %1$s) AS w(method, number)
             LEFT JOIN %2$s AS m ON m.customer_id %4$s c.id AND m.method_type::text COLLATE "C" = w.method
        WHERE CASE WHEN m.customer_id IS NULL THEN w.number IS NOT NULL
                   ELSE m.phone_number::text COLLATE "C" IS DISTINCT FROM w.number END
        UNION ALL
        SELECT format('%%s', c.id), 'no preferences', NULL, NULL, NULL
        FROM c WHERE NOT EXISTS (SELECT 1 FROM %3$s AS p WHERE p.customer_id %4$s c.id)
        $sql$,
        (SELECT string_agg(format('(%L, c.%s)', m.method, m.number), ', ') FROM contact_sync_internal.methods_of(s) m),
        max(t.name) FILTER (WHERE t.table_name = 'contact_methods'),
        max(t.name) FILTER (WHERE t.table_name = 'contact_preferences'), s.id_equality)
    FROM contact_sync_internal.contact_tables(s) t
$$;
COMMENT ON FUNCTION contact_sync_internal.drift_sql(contact_sync_internal.shape) IS
    'the SQL for what differs from the customers in c (id, phone, whatsapp): customer, kind, method, expected, actual';

CREATE FUNCTION contact_sync_internal.drift_as_owner(
    customers regclass, id_column name, phone_column name, whatsapp_column name)
RETURNS TABLE (customer text, kind text, method text, expected text, actual text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    s contact_sync_internal.shape := contact_sync_internal.require(customers, id_column, phone_column, whatsapp_column, false);
BEGIN
    RETURN QUERY SELECT * FROM contact_sync_internal.query(
        format('WITH c AS NOT MATERIALIZED (%s) %s', contact_sync_internal.customers_sql(s, s.name || ' AS c'),
               contact_sync_internal.drift_sql(s))
        || (SELECT string_agg(format(
                $query$
                UNION ALL
                SELECT format('%%s', t.customer_id), 'orphan', %s, NULL, %s
                FROM %s AS t WHERE NOT EXISTS (SELECT 1 FROM c WHERE t.customer_id %s c.id)
                $query$,
                CASE table_name WHEN 'contact_methods' THEN 't.method_type::text' ELSE 'NULL' END,
                CASE table_name WHEN 'contact_methods' THEN 't.phone_number::text' ELSE 'NULL' END, t.name, s.id_equality), '')
            FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name <> 'contact_history'))
        AS found(customer text, kind text, method text, expected text, actual text);
END
$$;
COMMENT ON FUNCTION contact_sync_internal.drift_as_owner(regclass, name, name, name) IS
    'contact_sync.drift, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.count_drifted(
    s contact_sync_internal.shape, source text, OUT looked_at bigint, OUT drifted bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT r.looked_at, r.drifted
    FROM contact_sync_internal.query(
        format('WITH c AS MATERIALIZED (%s), d(customer, kind, method, expected, actual) AS (%s) '
               'SELECT (SELECT count(*) FROM c), count(DISTINCT d.customer) FROM d',
               contact_sync_internal.customers_sql(s, source), contact_sync_internal.drift_sql(s)))
        AS r(looked_at bigint, drifted bigint)
$$;
COMMENT ON FUNCTION contact_sync_internal.count_drifted(contact_sync_internal.shape, text) IS
    'how many customers there are in a FROM item c, and how many of them have contact data that differs from theirs';

CREATE FUNCTION contact_sync_internal.sample_drifted(
    s contact_sync_internal.shape, customers bigint, OUT looked_at bigint, OUT drifted bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    -- Each customer's rows are looked up by the index.
    SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
    SELECT * FROM contact_sync_internal.count_drifted(
        s, format('%s AS c TABLESAMPLE pg_catalog.system (%s)', s.name, round(100.0 * 3000 / customers, 6)))
$$;
COMMENT ON FUNCTION contact_sync_internal.sample_drifted(contact_sync_internal.shape, bigint) IS
    'count_drifted over about three thousand of so many customers';
