
-- reconcile: repairs what drift shows, batch by batch.
--
-- The procedure goes through the customers in the order of their key. Everything between two commits is done by functions
-- that run as the owner of customers: only functions can have SET clauses and catch errors. Customers are locked first and
-- read under that lock, contact rows after them, as the triggers do it. Ids travel as text, which every type can be.
--
-- Statements are qualified, operators too, because search_path is what triggers of the contact tables expect.

CREATE TYPE contact_sync_internal.repair_plan AS (
    s contact_sync_internal.shape,
    kept_methods text[],            -- whose unwanted rows are left alone
    kept_because text,              -- null where the caller asked for it
    find text,                      -- the statements, as SQL: $1 are ids, as text; for find, an id and how many
    lock text,
    lock_waiting text,
    room integer,                   -- characters in phone_number; null: any number
    without_preferences text,
    insert_preferences text,
    compare text,                   -- lists what differs in methods, as json; the next statements take such a list: $1[1]
    update text,
    insert text,
    lock_listed text,               -- null where no table refers to contact_methods
    referred text,                  -- null likewise
    move text,
    resolved text
);
COMMENT ON TYPE contact_sync_internal.repair_plan IS
    'how the contact data of a customers table is repaired: the statements for it';

CREATE TYPE contact_sync_internal.repair_failure AS (customer text, function text, state text, message text, hint text);
COMMENT ON TYPE contact_sync_internal.repair_failure IS 'why the contact data of a customer could not be repaired';

CREATE FUNCTION contact_sync_internal.plan_repair(
    s contact_sync_internal.shape, kept_methods text[], kept_because text)
RETURNS contact_sync_internal.repair_plan
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    m contact_sync_internal.repair_plan;
    preferences record;
    methods record;
    less text;
    greater text;
    customer text;          -- id, phone, whatsapp
    wanted text;            -- the methods with their numbers
    known text;             -- the methods alone
    found text;             -- what there is of each, in one look
    compared text;          -- the methods with their numbers and what there is of them
    preferred text;         -- a customer's preferences
    lock_customers text;
    method_type text;
    listed text;            -- what compare found
    row_meant text;         -- the row of it
    changes text;           -- what else becomes of a row that gets another number
    referring text;         -- for each foreign key to methods, whether one of its rows refers to m
    has_preferred boolean;
BEGIN
    SELECT * INTO preferences FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name = 'contact_preferences';
    SELECT * INTO methods FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name = 'contact_methods';
    m.s := s;
    m.kept_methods := kept_methods;
    m.kept_because := kept_because;

    -- The order of the index that makes the id unique.
    SELECT format('OPERATOR(%s.%s)', lo.oprnamespace::regnamespace, lo.oprname),
           format('OPERATOR(%s.%s)', hi.oprnamespace::regnamespace, hi.oprname)
    INTO STRICT less, greater
    FROM pg_index i
         JOIN pg_opclass c ON c.oid = i.indclass[0]
         JOIN pg_amop l ON l.amopfamily = c.opcfamily AND l.amopstrategy = 1
                           AND l.amoplefttype = c.opcintype AND l.amoprighttype = c.opcintype
         JOIN pg_operator lo ON lo.oid = l.amopopr
         JOIN pg_amop h ON h.amopfamily = c.opcfamily AND h.amopstrategy = 5
                           AND h.amoplefttype = c.opcintype AND h.amoprighttype = c.opcintype
         JOIN pg_operator hi ON hi.oid = h.amopopr
    WHERE i.indrelid = s.customers AND i.indnkeyatts = 1 AND i.indkey[0] = s.id
      AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
    ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1;

    SELECT contact_sync_internal.type_name(a.atttypid, -1) INTO method_type
    FROM pg_attribute a
    WHERE a.attrelid = methods.relation AND a.attname = 'method_type';
    SELECT base.width INTO m.room
    FROM pg_attribute a, contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS base
    WHERE a.attrelid = methods.relation AND a.attname = 'phone_number';
    SELECT string_agg(format(', %I = %s', w.column_name, w.assignment), '') FILTER (WHERE w.assignment IS NOT NULL),
           bool_or(w.column_name = 'is_preferred')
    INTO changes, has_preferred
    FROM contact_sync_internal.accepted_values(s) w;
    has_preferred := has_preferred IS TRUE
                     AND EXISTS (SELECT FROM pg_attribute a
                                 WHERE a.attrelid = preferences.relation AND a.attname = 'preferred_method'
                                   AND NOT a.attisdropped);

    customer := format('c.%I AS id, %s AS phone, %s AS whatsapp', s.id_column,
                       contact_sync_internal.number_of('c', s.phone_column, s.phone),
                       contact_sync_internal.number_of('c', s.whatsapp_column, s.whatsapp));
    SELECT string_agg(format('(%L, c.%s)', w.method, w.number), ', '),
           string_agg(quote_literal(w.method), ', '),
           string_agg(format('pg_catalog.count(*) FILTER (WHERE %1$s) AS %2$s_rows, '
                             'pg_catalog.max(m.phone_number::pg_catalog.text COLLATE pg_catalog."C") '
                             'FILTER (WHERE %1$s) AS %2$s',
                             format('m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) %L', w.method), w.method),
                      ', '),
           string_agg(format('(%1$L, %2$L, c.%2$s, m.%1$s_rows, m.%1$s)', w.method, w.number), ', ')
    INTO wanted, known, found, compared
    FROM contact_sync_internal.methods_of(s) w;

    preferred := format('SELECT p.customer_id, %s AS preferred FROM %s AS p WHERE p.customer_id %s c.id OFFSET 0',
                        CASE WHEN has_preferred THEN 'p.preferred_method::pg_catalog.text'
                             ELSE 'NULL::pg_catalog.text' END, preferences.name, s.id_equality);

    -- The next customers after the first of $1, at most as many as the second says: how many, the last one, and those
    -- among them that drifted. Subqueries that cannot be pulled up, here and below: each customer's rows are looked up
    -- by the index. A join is planned by guess, on a table that is being filled, and could read all of it for each
    -- batch.
    m.find := format(
        $sql$
        WITH page AS MATERIALIZED (
            SELECT c.*, pg_catalog.row_number() OVER () AS place
            FROM (SELECT %1$s FROM %2$s AS c
                  WHERE $1[1] IS NULL OR c.%3$I %4$s $1[1]::%5$s
                  ORDER BY c.%3$I USING %6$s FETCH FIRST ($1[2]::pg_catalog.int4) ROWS WITH TIES) AS c
        )
        SELECT pg_catalog.count(*),
               (SELECT pg_catalog.format('%%s', c.id) FROM page AS c ORDER BY c.place DESC LIMIT 1),
               pg_catalog.array_agg(pg_catalog.format('%%s', c.id) ORDER BY c.place)
                   FILTER (WHERE p.present OPERATOR(pg_catalog.=) 0 OR m.present OPERATOR(pg_catalog.<>) m.wanted
                                 OR m.right_ones OPERATOR(pg_catalog.<>) m.wanted)
        FROM page AS c
             CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FROM %7$s AS p
                                 WHERE p.customer_id %9$s c.id) AS p(present)
             CROSS JOIN LATERAL (SELECT pg_catalog.count(*),
                                        pg_catalog.count(*) FILTER (
                                            WHERE m.phone_number::pg_catalog.text COLLATE pg_catalog."C"
                                                  OPERATOR(pg_catalog.=)
                                                  CASE %12$s END),
                                        pg_catalog.num_nonnulls(%13$s)
                                 FROM %8$s AS m
                                 WHERE m.customer_id %9$s c.id AND m.method_type::pg_catalog.text IN (%10$s)%11$s
                                ) AS m(present, right_ones, wanted)
        $sql$,
        customer, s.name, s.id_column, greater, s.id_type, less, preferences.name, methods.name, s.id_equality,
        known, (SELECT string_agg(format(' AND (c.%s IS NOT NULL OR m.method_type::pg_catalog.text '
                                         'OPERATOR(pg_catalog.<>) %L)', w.number, w.method), '')
                FROM contact_sync_internal.methods_of(s) w WHERE w.method = ANY (kept_methods)),
        (SELECT string_agg(format('WHEN m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) %L THEN c.%s',
                                  w.method, w.number), ' ') FROM contact_sync_internal.methods_of(s) w),
        (SELECT string_agg('c.' || w.number, ', ') FROM contact_sync_internal.methods_of(s) w));

    lock_customers := $sql$
        SELECT pg_catalog.array_agg(k.id)
        FROM pg_catalog.unnest($1) AS k(id)
             CROSS JOIN LATERAL (SELECT 1 FROM %1$s AS c WHERE c.%2$I %3$s k.id::%4$s FOR NO KEY UPDATE %5$s) AS locked
        $sql$;
    m.lock := format(lock_customers, s.name, s.id_column, s.id_equality, s.id_type, 'SKIP LOCKED');
    m.lock_waiting := format(lock_customers, s.name, s.id_column, s.id_equality, s.id_type, '');

    -- What is missing or differs is found first and written then, each in a statement of its own, because rules can make
    -- several of one.
    m.without_preferences := format(
        $sql$
        SELECT pg_catalog.array_agg(k.id)
        FROM pg_catalog.unnest($1) AS k(id)
             CROSS JOIN LATERAL (SELECT pg_catalog.count(*) FROM %1$s AS p
                                 WHERE p.customer_id %3$s k.id::%2$s) AS p(present)
        WHERE p.present OPERATOR(pg_catalog.=) 0
        $sql$,
        preferences.name, s.id_type, s.id_equality);
    m.insert_preferences := format('INSERT INTO %s (customer_id) SELECT k.id::%s FROM pg_catalog.unnest($1) AS k(id)',
                                   preferences.name, s.id_type);

    -- Of a method there is one row at most.
    m.compare := format(
        $sql$
        WITH customer AS (
            SELECT c.*, COALESCE(p.preferred, 'whatsapp') AS preferred
            FROM pg_catalog.unnest($1) AS k(id)
                 CROSS JOIN LATERAL (SELECT %1$s FROM %2$s AS c WHERE c.%3$I %4$s k.id::%5$s OFFSET 0) AS c
                 LEFT JOIN LATERAL (%6$s) AS p ON true
        ), drifted AS (
            SELECT pg_catalog.format('%%s', c.id) AS id, w.method, w.source, w.number,
                   w.rows OPERATOR(pg_catalog.>) 0 AS present, w.method OPERATOR(pg_catalog.=) c.preferred AS preferred,
                   pg_catalog.length(w.number) OPERATOR(pg_catalog.>) %7$L::pg_catalog.int4 IS TRUE AS unfit
            FROM customer AS c
                 CROSS JOIN LATERAL (SELECT %8$s FROM %9$s AS m WHERE m.customer_id %4$s c.id) AS m
                 CROSS JOIN LATERAL (VALUES %10$s) AS w(method, source, number, rows, actual)
            WHERE CASE WHEN w.rows OPERATOR(pg_catalog.=) 0 THEN w.number IS NOT NULL
                       WHEN w.number IS NULL THEN w.method OPERATOR(pg_catalog.<>) ALL (%11$L::pg_catalog.text[])
                       ELSE w.actual IS NULL OR w.actual OPERATOR(pg_catalog.<>) w.number END
        )
        SELECT pg_catalog.json_agg(d.*) FILTER (WHERE d.present AND d.number IS NULL),
               pg_catalog.json_agg(d.*) FILTER (WHERE d.present AND d.number IS NOT NULL AND NOT d.unfit),
               pg_catalog.json_agg(d.*) FILTER (WHERE NOT d.present AND NOT d.unfit),
               pg_catalog.array_agg(DISTINCT ARRAY[d.id, d.source]) FILTER (WHERE d.unfit)
        FROM drifted AS d
        $sql$,
        customer, s.name, s.id_column, s.id_equality, s.id_type, preferred, m.room, found, methods.name, compared,
        kept_methods);
    listed := format('pg_catalog.json_to_recordset($1[1]::pg_catalog.json) '
                     'AS d(id %s, method pg_catalog.text, number pg_catalog.text, preferred boolean)', s.id_type);
    row_meant := format('m.customer_id %s d.id AND m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) d.method',
                        s.id_equality);
    m.update := format(
        $sql$
        UPDATE %1$s AS m SET phone_number = d.number%2$s FROM %3$s
        WHERE %4$s AND (m.phone_number IS NULL
                        OR m.phone_number::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.<>) d.number)
        $sql$, methods.name, changes, listed, row_meant);
    m.insert := format('INSERT INTO %s (customer_id, method_type, phone_number%s) SELECT d.id, d.method::%s, d.number%s FROM %s',
                       methods.name, CASE WHEN has_preferred THEN ', is_preferred' END, method_type,
                       CASE WHEN has_preferred THEN ', d.preferred' END, listed);
    m.move := format(
        $sql$
        WITH gone AS (
            DELETE FROM %1$s AS m USING %2$s WHERE %3$s
            RETURNING pg_catalog.format('%%s', m.customer_id) AS customer, pg_catalog.to_jsonb(m.*) AS row_data
        )
        INSERT INTO %4$I.contact_quarantine (source_table, reason, customer, row_data)
        SELECT 'contact_methods', 'unwanted', gone.customer, gone.row_data FROM gone
        $sql$, methods.name, listed, row_meant, s.schema_name);
    SELECT string_agg(format('WHEN %s THEN %L', r.condition, r.problem), ' ' ORDER BY r.problem) INTO referring
    FROM contact_sync_internal.references_to(methods.relation) r
    WHERE NOT r.is_checked OR r.condition <> 'true';
    IF referring IS NOT NULL THEN
        -- Once a row is locked, no row can begin to refer to it.
        m.lock_listed := format(
            'SELECT pg_catalog.count(*) FROM (SELECT 1 FROM %s AS m, %s WHERE %s FOR UPDATE OF m) AS locked',
            methods.name, listed, row_meant);
        m.referred := format(
            $sql$
            SELECT pg_catalog.json_agg(d.*) FILTER (WHERE d.problem IS NULL),
                   pg_catalog.array_agg(ARRAY[d.id, d.method, d.problem]) FILTER (WHERE d.problem IS NOT NULL)
            FROM (SELECT pg_catalog.format('%%s', d.id) AS id, d.method, CASE %4$s END AS problem
                  FROM %1$s AS m, %2$s WHERE %3$s) AS d
            $sql$, methods.name, listed, row_meant, referring);
    END IF;

    -- The failures that wait for nothing any more.
    m.resolved := format(
        $sql$
        SELECT pg_catalog.array_agg(f.customers_table), pg_catalog.array_agg(f.customer),
               pg_catalog.array_agg(f.function), pg_catalog.array_agg(f.times)
        FROM contact_sync_internal.waiting_failures(%1$L::pg_catalog.regclass) AS f
             LEFT JOIN (SELECT %2$s, pg_catalog.format('%%s', c.%3$I) AS key FROM %4$s AS c) AS c
                       ON c.key OPERATOR(pg_catalog.=) f.customer
        WHERE c.key IS NULL
              OR CASE f.function
                     WHEN 'sync_contact_numbers' THEN
                         %5$L OR (c.phone IS NULL) OPERATOR(pg_catalog.=) (c.whatsapp IS NULL)
                     WHEN 'initialize_contact_preferences' THEN
                         EXISTS (SELECT 1 FROM %6$s AS p WHERE p.customer_id %8$s c.id)
                     WHEN 'update_contact_methods' THEN
                         NOT EXISTS (
                             SELECT 1 FROM (VALUES %9$s) AS w(method, number)
                                  LEFT JOIN %7$s AS m
                                       ON m.customer_id %8$s c.id
                                          AND m.method_type::pg_catalog.text OPERATOR(pg_catalog.=) w.method
                             WHERE w.number IS DISTINCT FROM
                                   m.phone_number::pg_catalog.text COLLATE pg_catalog."C")
                 END
        $sql$,
        s.customers, customer, s.id_column, s.name, s.phone IS NULL OR s.whatsapp IS NULL,
        preferences.name, methods.name, s.id_equality, wanted);
    RETURN m;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.plan_repair(contact_sync_internal.shape, text[], text) IS
    'the statements that repair the contact data of customers';

--
-- failures is for nobody but the extension's owner. These let in the owner of customers, for the failures of that table.
--

CREATE FUNCTION contact_sync_internal.family_names(customers regclass) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- An inheritance child's failures are in its own name.
    WITH family(relation) AS (
        SELECT * FROM contact_sync_internal.family(customers::oid)
    )
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM family JOIN pg_class c ON c.oid = family.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = (SELECT relowner FROM pg_class WHERE oid = customers::oid)
$$;
COMMENT ON FUNCTION contact_sync_internal.family_names(regclass) IS
    'a table, its partitions and inheritance children of the same owner, as failures name them';

CREATE FUNCTION contact_sync_internal.waiting_failures(customers regclass)
RETURNS TABLE (customers_table text, customer text, function text, times bigint, sqlstate text, message text)
AS 'MODULE_PATHNAME', 'run_as_keeper' LANGUAGE C STABLE;
COMMENT ON FUNCTION contact_sync_internal.waiting_failures(regclass) IS
    'the failures of a table that nothing has resolved yet, for its owner';

CREATE FUNCTION contact_sync_internal.waiting_failures_as_keeper(customers regclass)
RETURNS TABLE (customers_table text, customer text, function text, times bigint, sqlstate text, message text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.customers_table, f.customer, f.function, f.times, f.sqlstate, f.message
    FROM contact_sync.failures f
    WHERE f.customers_table IN (SELECT contact_sync_internal.family_names(customers))
$$;
COMMENT ON FUNCTION contact_sync_internal.waiting_failures_as_keeper(regclass) IS
    'waiting_failures, run as the owner of failures';

CREATE FUNCTION contact_sync_internal.record_failure(
    customers regclass, customer text, function text, state text, message text)
RETURNS TABLE (recorded boolean)
AS 'MODULE_PATHNAME', 'run_as_keeper' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.record_failure(regclass, text, text, text, text) IS
    'records a failure as the triggers do; false for a temporary table';

CREATE FUNCTION contact_sync_internal.record_failure_as_keeper(
    customers regclass, customer text, function text, state text, message text)
RETURNS TABLE (recorded boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO contact_sync.failures AS f
        (customers_table, customer, function, first_failed, last_failed, times, sqlstate, message)
    SELECT format('%I.%I', n.nspname, c.relname), record_failure_as_keeper.customer,
           record_failure_as_keeper.function, now(), now(), 1, state, left(record_failure_as_keeper.message, 1024)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = customers::oid AND c.relpersistence <> 't'     -- which anybody can make
    ON CONFLICT ON CONSTRAINT failures_pkey DO UPDATE
        SET last_failed = excluded.last_failed, times = f.times + 1, sqlstate = excluded.sqlstate,
            message = excluded.message;
    recorded := FOUND;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.record_failure_as_keeper(regclass, text, text, text, text) IS
    'record_failure, run as the owner of failures';

CREATE FUNCTION contact_sync_internal.forget_failures(
    customers regclass, tables text[], customer_ids text[], functions text[], known_times bigint[])
RETURNS TABLE (forgotten bigint)
AS 'MODULE_PATHNAME', 'run_as_keeper' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.forget_failures(regclass, text[], text[], text[], bigint[]) IS
    'takes failures away that wait for nothing any more, and returns how many';

CREATE FUNCTION contact_sync_internal.forget_failures_as_keeper(
    customers regclass, tables text[], customer_ids text[], functions text[], known_times bigint[])
RETURNS TABLE (forgotten bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    -- One that failed again meanwhile stays.
    WITH forgotten AS (
        DELETE FROM contact_sync.failures f
        USING unnest(tables, customer_ids, functions, known_times) AS done(customers_table, customer, function, times)
        WHERE (f.customers_table, f.customer, f.function, f.times)
              = (done.customers_table, done.customer, done.function, done.times)
          AND f.customers_table IN (SELECT contact_sync_internal.family_names(customers))
        RETURNING 1
    )
    SELECT count(*) FROM forgotten
$$;
COMMENT ON FUNCTION contact_sync_internal.forget_failures_as_keeper(regclass, text[], text[], text[], bigint[]) IS
    'forget_failures, run as the owner of failures';

CREATE FUNCTION contact_sync_internal.failures_of_gone_tables(customers regclass)
RETURNS TABLE (customers_table text, failures bigint, in_own_schema boolean, deletable boolean)
AS 'MODULE_PATHNAME', 'run_as_keeper' LANGUAGE C STABLE;
COMMENT ON FUNCTION contact_sync_internal.failures_of_gone_tables(regclass) IS
    'names in failures that no table has, as far as the caller or the owner of customers may know of them, and how many failures';

CREATE FUNCTION contact_sync_internal.failures_of_gone_tables_as_keeper(customers regclass)
RETURNS TABLE (customers_table text, failures bigint, in_own_schema boolean, deletable boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- A table that is gone has no owner. The owner of its schema could have dropped it, and so may clear what is left.
    SELECT gone.customers_table, gone.failures, own.schema,
           has_table_privilege(contact_sync_internal.caller(), 'contact_sync.failures', 'DELETE')
    FROM (SELECT f.customers_table, count(*) FROM contact_sync.failures f
          WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE c.relkind IN ('r', 'p') AND format('%I.%I', n.nspname, c.relname) = f.customers_table)
          GROUP BY f.customers_table) AS gone(customers_table, failures)
         CROSS JOIN pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL (SELECT starts_with(gone.customers_table, quote_ident(n.nspname) || '.')
                                    AND pg_has_role(c.relowner, n.nspowner, 'USAGE')) AS own(schema)
    WHERE c.oid = customers::oid
      AND (own.schema OR has_table_privilege(contact_sync_internal.caller(), 'contact_sync.failures', 'SELECT'))
$$;
COMMENT ON FUNCTION contact_sync_internal.failures_of_gone_tables_as_keeper(regclass) IS
    'failures_of_gone_tables, run as the owner of failures';

CREATE FUNCTION contact_sync_internal.forget_failures_of_gone_tables(customers regclass)
RETURNS TABLE (forgotten bigint)
AS 'MODULE_PATHNAME', 'run_as_keeper' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.forget_failures_of_gone_tables(regclass) IS
    'deletes the failures of tables that are gone from the schema of customers, if its owner owns the schema';

CREATE FUNCTION contact_sync_internal.forget_failures_of_gone_tables_as_keeper(customers regclass)
RETURNS TABLE (forgotten bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH forgotten AS (
        DELETE FROM contact_sync.failures f
        WHERE f.customers_table IN (SELECT gone.customers_table
                                    FROM contact_sync_internal.failures_of_gone_tables_as_keeper(customers) gone
                                    WHERE gone.in_own_schema)
        RETURNING 1
    )
    SELECT count(*) FROM forgotten
$$;
COMMENT ON FUNCTION contact_sync_internal.forget_failures_of_gone_tables_as_keeper(regclass) IS
    'forget_failures_of_gone_tables, run as the owner of failures';

--
-- The steps
--

CREATE FUNCTION contact_sync_internal.estimated_customers(customers regclass, OUT estimate bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
    WITH family(relation) AS (
        SELECT * FROM contact_sync_internal.family(customers::oid)
    )
    SELECT CASE WHEN bool_and(c.reltuples >= 0) THEN sum(c.reltuples) END INTO estimate
    FROM family JOIN pg_class c ON c.oid = family.relation AND c.relkind = 'r';
    IF estimate IS NULL THEN        -- never analyzed
        SELECT r.counted INTO estimate
        FROM contact_sync_internal.query(format('SELECT count(*) FROM %s', customers)) AS r(counted bigint);
    END IF;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.estimated_customers(regclass) IS 'how many customers there are, more or less';

CREATE FUNCTION contact_sync_internal.write_listed(statement text, listed json) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF listed IS NULL THEN
        RETURN 0;
    END IF;
    RETURN (SELECT r.touched FROM contact_sync_internal.look_up(statement, ARRAY[listed::text]) AS r(touched bigint));
END
$$;
COMMENT ON FUNCTION contact_sync_internal.write_listed(text, json) IS
    'runs a statement over what compare has listed, if anything, and counts the rows that it touched';

CREATE FUNCTION contact_sync_internal.milliseconds(setting text) RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- pg_settings has it as a number, but reads all settings.
    SELECT (extract(epoch FROM current_setting(setting)::interval) * 1000)::integer
$$;
COMMENT ON FUNCTION contact_sync_internal.milliseconds(text) IS 'a setting that is a time';

CREATE FUNCTION contact_sync_internal.move_unwanted(
    plan contact_sync_internal.repair_plan, INOUT unwanted json,
    OUT written bigint, OUT failures contact_sync_internal.repair_failure[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    referred text[];
BEGIN
    -- Created when it is first needed, with the SQL that attach would run.
    PERFORM contact_sync_internal.execute(q.fix)
    FROM contact_sync_internal.check_quarantine_table(plan.s, true) q WHERE q.status = 'fix';

    IF plan.referred IS NOT NULL THEN
        PERFORM FROM contact_sync_internal.look_up(plan.lock_listed, ARRAY[unwanted::text]) AS r(locked bigint);
        SELECT r.free, r.referred INTO unwanted, referred
        FROM contact_sync_internal.look_up(plan.referred, ARRAY[unwanted::text]) AS r(free json, referred text[]);
    END IF;
    written := contact_sync_internal.write_listed(plan.move, unwanted);
    SELECT array_agg(ROW(referred[i][1], 'update_contact_methods', '23503',
                         format('unwanted contact method "%s" is not moved to contact_quarantine: %s',
                                referred[i][2], referred[i][3]),
                         'Delete the rows that refer to the contact method or give the customer a number, then call '
                         'contact_sync.reconcile again.')::contact_sync_internal.repair_failure)
    INTO failures
    FROM generate_subscripts(referred, 1) AS i;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.move_unwanted(contact_sync_internal.repair_plan, json) IS
    'moves unwanted contact methods to contact_quarantine, except those that rows of other tables refer to';

CREATE FUNCTION contact_sync_internal.repair_step(
    plan contact_sync_internal.repair_plan, parts text[], keys text[], waiting boolean,
    OUT written bigint, OUT failures contact_sync_internal.repair_failure[], OUT busy text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    locked text[];
    missing text[];
    listed record;
    moved record;
BEGIN
    written := 0;
    SELECT r.locked INTO locked
    FROM contact_sync_internal.look_up(CASE WHEN waiting THEN plan.lock_waiting ELSE plan.lock END, keys)
         AS r(locked text[]);
    IF NOT waiting AND cardinality(locked) IS DISTINCT FROM cardinality(keys) THEN
        busy := ARRAY(SELECT unnest(keys) EXCEPT SELECT unnest(locked));
    END IF;
    IF locked IS NULL THEN          -- in use, or gone
        RETURN;
    END IF;

    -- Which method is preferred is in the preferences: they come first.
    IF 'preferences' = ANY (parts) THEN
        missing := (SELECT r.ids FROM contact_sync_internal.look_up(plan.without_preferences, locked) AS r(ids text[]));
        IF missing IS NOT NULL THEN
            written := (SELECT r.touched FROM contact_sync_internal.look_up(plan.insert_preferences, missing)
                                              AS r(touched bigint));
        END IF;
    END IF;
    IF 'methods' <> ALL (parts) THEN
        RETURN;
    END IF;

    SELECT * INTO listed
    FROM contact_sync_internal.look_up(plan.compare, locked) AS r(unwanted json, stale json, missing json, unfit text[]);
    -- An unwanted method may have the number that another one is to get, and numbers may be unique: it goes first.
    IF listed.unwanted IS NOT NULL THEN
        SELECT * INTO moved FROM contact_sync_internal.move_unwanted(plan, listed.unwanted);
        written := written + moved.written;
        failures := moved.failures;
    END IF;
    written := written + contact_sync_internal.write_listed(plan.update, listed.stale)
               + contact_sync_internal.write_listed(plan.insert, listed.missing);
    failures := failures || ARRAY(
        SELECT ROW(listed.unfit[i][1], 'update_contact_methods', '22001',
                   format('%s number is too long for column "phone_number" of table "contact_methods": '
                          'it has room for %s characters', listed.unfit[i][2], plan.room),
                   NULL)::contact_sync_internal.repair_failure
        FROM generate_subscripts(listed.unfit, 1) AS i);
END
$$;
COMMENT ON FUNCTION contact_sync_internal.repair_step(contact_sync_internal.repair_plan, text[], text[], boolean) IS
    'locks customers and writes their contact data, or some parts of it; returns who is left out, and who is in use';

CREATE FUNCTION contact_sync_internal.repair_group(
    plan contact_sync_internal.repair_plan, keys text[], waiting boolean,
    OUT done boolean, OUT written bigint, OUT failures contact_sync_internal.repair_failure[], OUT busy text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    all_parts constant text[] := '{preferences, methods}';
    alone constant boolean := cardinality(keys) = 1;
    step record;
BEGIN
    done := true;
    written := 0;
    -- A single customer is served part by part: one may fail, and the other succeed.
    FOR part IN 1..CASE WHEN alone THEN cardinality(all_parts) ELSE 1 END LOOP
        FOR try IN 1..2 LOOP
            BEGIN
                SELECT * INTO step
                FROM contact_sync_internal.repair_step(
                    plan, CASE WHEN alone THEN all_parts[part:part] ELSE all_parts END, keys, waiting);
                written := written + step.written;
                failures := failures || step.failures;
                busy := step.busy;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected THEN
                    done := alone;
                    busy := keys;
                WHEN OTHERS OR assert_failure THEN
                    -- Trouble of the server or the transaction would only repeat.
                    IF left(SQLSTATE, 2) IN ('25', '40', '53', '57', '58', 'XX') THEN
                        RAISE;
                    END IF;
                    -- A row, or the quarantine, that another session has created since is seen by the next look.
                    CONTINUE WHEN alone AND try = 1 AND SQLSTATE IN ('23505', '42P07');
                    done := alone;
                    failures := failures || ROW(keys[1], CASE part WHEN 1 THEN 'initialize_contact_preferences'
                                                                   ELSE 'update_contact_methods' END,
                                                SQLSTATE, SQLERRM, NULL)::contact_sync_internal.repair_failure;
            END;
            EXIT;
        END LOOP;
        EXIT WHEN busy IS NOT NULL;
    END LOOP;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.repair_group(contact_sync_internal.repair_plan, text[], boolean) IS
    'repairs the contact data of some customers; if more than one is given and any of them fails, nothing is done';

CREATE FUNCTION contact_sync_internal.report_failures(
    plan contact_sync_internal.repair_plan, failures contact_sync_internal.repair_failure[], INOUT failed bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    failure contact_sync_internal.repair_failure;
    recorded boolean;
BEGIN
    FOREACH failure IN ARRAY coalesce(failures, '{}') LOOP
        failed := failed + 1;
        recorded := (SELECT r.recorded
                     FROM contact_sync_internal.record_failure((plan.s).customers, failure.customer, failure.function,
                                                               failure.state, failure.message) AS r);
        IF NOT recorded OR failed <= 10 THEN
            RAISE WARNING 'could not repair contact data of customer % of table "%": %',
                          failure.customer, contact_sync_internal.plain_name((plan.s).customers), failure.message
                USING ERRCODE = failure.state,
                      HINT = coalesce(failure.hint, 'Correct the cause, then call contact_sync.reconcile again.');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.report_failures(
    contact_sync_internal.repair_plan, contact_sync_internal.repair_failure[], bigint) IS
    'records failures and counts them; a WARNING for the first ten, and for any that cannot be recorded';

CREATE FUNCTION contact_sync_internal.begin_reconcile(
    customers regclass, id_column name, phone_column name, whatsapp_column name, move_unwanted boolean)
RETURNS TABLE (plan contact_sync_internal.repair_plan, total bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.begin_reconcile(regclass, name, name, name, boolean) IS
    'how to repair the contact data of customers, and of how many';

CREATE FUNCTION contact_sync_internal.begin_reconcile_as_owner(
    customers regclass, id_column name, phone_column name, whatsapp_column name, move_unwanted boolean)
RETURNS TABLE (plan contact_sync_internal.repair_plan, total bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    s contact_sync_internal.shape :=
        contact_sync_internal.require(customers, id_column, phone_column, whatsapp_column, true);
    kept_methods text[] := '{}';
    kept_because text;
BEGIN
    IF NOT move_unwanted THEN
        kept_methods := ARRAY(SELECT w.method FROM contact_sync_internal.methods_of(s) w);
    ELSIF (contact_sync_internal.unwanted_obstacle(s)).problem IS NOT NULL THEN
        kept_methods := ARRAY(SELECT w.method FROM contact_sync_internal.methods_of(s) w);
        kept_because := 'quarantine';
    ELSIF move_unwanted IS NULL THEN
        kept_methods := ARRAY(SELECT w.method
                              FROM contact_sync_internal.unwanted_methods(s, true) u
                                   JOIN contact_sync_internal.methods_of(s) w ON w.number = u.number
                              WHERE u.most);
        kept_because := 'most';
    END IF;
    plan := contact_sync_internal.plan_repair(s, kept_methods, kept_because);
    total := contact_sync_internal.estimated_customers(customers);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.begin_reconcile_as_owner(regclass, name, name, name, boolean) IS
    'begin_reconcile, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.next_customers(
    customers regclass, plan contact_sync_internal.repair_plan, after text, batch_size integer)
RETURNS TABLE (seen bigint, last text, drifted text[])
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.next_customers(
    regclass, contact_sync_internal.repair_plan, text, integer) IS
    'the next customers after one: how many, the last of them, and those whose contact data differs';

CREATE FUNCTION contact_sync_internal.next_customers_as_owner(
    customers regclass, plan contact_sync_internal.repair_plan, after text, batch_size integer)
RETURNS TABLE (seen bigint, last text, drifted text[])
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT r.seen, r.last, coalesce(r.drifted, '{}')
    FROM contact_sync_internal.look_up(plan.find, ARRAY[after, batch_size::text])
         AS r(seen bigint, last text, drifted text[])
$$;
COMMENT ON FUNCTION contact_sync_internal.next_customers_as_owner(
    regclass, contact_sync_internal.repair_plan, text, integer) IS
    'next_customers, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.repair(
    customers regclass, plan contact_sync_internal.repair_plan, keys text[], group_size bigint, waiting boolean,
    failed bigint)
RETURNS TABLE (done integer, next_size bigint, written bigint, failures bigint, busy text[])
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.repair(
    regclass, contact_sync_internal.repair_plan, text[], bigint, boolean, bigint) IS
    'repairs the contact data of the first customers of a list, and returns how many these were; some may be in use';

CREATE FUNCTION contact_sync_internal.repair_as_owner(
    customers regclass, plan contact_sync_internal.repair_plan, keys text[], group_size bigint, waiting boolean,
    failed bigint)
RETURNS TABLE (done integer, next_size bigint, written bigint, failures bigint, busy text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    part text[];
    outcome record;
BEGIN
    -- What would be checked at COMMIT is checked where an error is caught, and with the rights of the owner.
    SET CONSTRAINTS ALL IMMEDIATE;
    -- Who holds a contact row may be about to change its customer, whom we hold. We give up before that session finds
    -- the deadlock and becomes its victim; and soonest where we hold many.
    PERFORM set_config('lock_timeout',
                       least(contact_sync_internal.milliseconds('contact_sync.lock_timeout'),
                             greatest(contact_sync_internal.milliseconds('deadlock_timeout') - 1, 1),
                             nullif(contact_sync_internal.milliseconds('lock_timeout'), 0),
                             CASE WHEN waiting THEN NULL ELSE 50 END)::text, true);

    done := 0;
    next_size := group_size;
    written := 0;
    failures := failed;
    -- The customers who fail are found by trying fewer at a time. A limit, because locks are held until the COMMIT that
    -- follows, and nothing is reported before it.
    FOR attempt IN 1..CASE WHEN waiting THEN 1 ELSE 20 END LOOP
        EXIT WHEN done = cardinality(keys);
        part := keys[done + 1:least(done + next_size, cardinality(keys))];
        SELECT * INTO outcome FROM contact_sync_internal.repair_group(plan, part, waiting);
        IF outcome.done THEN
            done := done + cardinality(part);
            written := written + outcome.written;
            failures := contact_sync_internal.report_failures(plan, outcome.failures, failures);
            busy := busy || outcome.busy;
            next_size := CASE coalesce(cardinality(outcome.failures), 0) WHEN 0 THEN least(2 * next_size, 1000000000) ELSE next_size END;
        ELSE
            next_size := cardinality(part) / 2;
        END IF;
    END LOOP;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.repair_as_owner(
    regclass, contact_sync_internal.repair_plan, text[], bigint, boolean, bigint) IS
    'repair, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.clear_failures(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (cleared bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.clear_failures(regclass, contact_sync_internal.repair_plan) IS
    'deletes the failures whose customer is right now, or gone, and those of tables that are gone; returns how many';

CREATE FUNCTION contact_sync_internal.clear_failures_as_owner(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (cleared bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    resolved record;
BEGIN
    cleared := 0;
    IF EXISTS (SELECT FROM contact_sync_internal.waiting_failures(clear_failures_as_owner.customers)) THEN
        SELECT r.* INTO resolved
        FROM contact_sync_internal.write(plan.resolved)
             AS r(tables text[], customers text[], functions text[], known_times bigint[]);
        SELECT f.forgotten INTO cleared
        FROM contact_sync_internal.forget_failures(
            clear_failures_as_owner.customers, resolved.tables, resolved.customers, resolved.functions,
            resolved.known_times) AS f;
    END IF;
    cleared := cleared + (SELECT f.forgotten
                          FROM contact_sync_internal.forget_failures_of_gone_tables(clear_failures_as_owner.customers) AS f);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.clear_failures_as_owner(regclass, contact_sync_internal.repair_plan) IS
    'clear_failures, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.unvalidated(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (constraint_id oid)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.unvalidated(regclass, contact_sync_internal.repair_plan) IS
    'the constraints of contact tables that are not validated';

CREATE FUNCTION contact_sync_internal.unvalidated_as_owner(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (constraint_id oid)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.oid
    FROM contact_sync_internal.contact_tables(plan.s) t JOIN pg_constraint k ON k.conrelid = t.relation
    WHERE t.usable AND NOT k.convalidated AND k.conparentid = 0 AND k.contype IN ('c', 'f')
      AND contact_sync_internal.is_enforced(k.oid)
    ORDER BY t.position, k.conname
$$;
COMMENT ON FUNCTION contact_sync_internal.unvalidated_as_owner(regclass, contact_sync_internal.repair_plan) IS
    'unvalidated, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.validate(customers regclass, constraint_id oid)
RETURNS TABLE (validated boolean)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.validate(regclass, oid) IS
    'validates a constraint; a WARNING where rows break it';

CREATE FUNCTION contact_sync_internal.validate_as_owner(customers regclass, constraint_id oid)
RETURNS TABLE (validated boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    relation pg_catalog.regclass;
    constraint_name pg_catalog.text;
BEGIN
    -- With the search_path that functions in constraints expect; so all is qualified here.
    SELECT k.conrelid, k.conname INTO relation, constraint_name
    FROM pg_catalog.pg_constraint k WHERE k.oid OPERATOR(pg_catalog.=) constraint_id AND NOT k.convalidated;
    validated := true;
    IF relation IS NOT NULL THEN
        BEGIN
            PERFORM contact_sync_internal.execute(pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I', relation, constraint_name));
        EXCEPTION WHEN integrity_constraint_violation OR lock_not_available THEN
            RAISE WARNING 'constraint "%" of table "%" is not validated: %',
                          constraint_name, contact_sync_internal.plain_name(relation), SQLERRM
                USING ERRCODE = SQLSTATE,
                      HINT = 'Correct the rows that violate it, then call contact_sync.reconcile again.';
            validated := false;
        END;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.validate_as_owner(regclass, oid) IS
    'validate, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.count_orphans(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (orphans bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.count_orphans(regclass, contact_sync_internal.repair_plan) IS
    'how many preferences and methods are of no customer';

CREATE FUNCTION contact_sync_internal.count_orphans_as_owner(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (orphans bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT coalesce(sum(contact_sync_internal.count_rows(
               format('SELECT count(*) FROM %s AS t WHERE NOT EXISTS (SELECT 1 FROM %s AS c WHERE t.customer_id %s c.%I)',
                      t.name, (plan.s).name, (plan.s).id_equality, (plan.s).id_column))), 0)::bigint
    FROM contact_sync_internal.contact_tables(plan.s) t
    WHERE t.usable AND t.unique_key IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_constraint k       -- which leaves none
                      WHERE k.conrelid = t.relation AND k.contype = 'f' AND k.convalidated
                        AND k.confrelid = (plan.s).customers AND k.confkey = ARRAY[(plan.s).id])
$$;
COMMENT ON FUNCTION contact_sync_internal.count_orphans_as_owner(regclass, contact_sync_internal.repair_plan) IS
    'count_orphans, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.report_kept(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (kept bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.report_kept(regclass, contact_sync_internal.repair_plan) IS
    'counts the unwanted contact methods that are left alone; a WARNING unless the caller of reconcile asked for it';

CREATE FUNCTION contact_sync_internal.report_kept_as_owner(customers regclass, plan contact_sync_internal.repair_plan)
RETURNS TABLE (kept bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    s contact_sync_internal.shape := plan.s;
    unwanted record;
    obstacle record;
BEGIN
    kept := 0;
    IF plan.kept_because IS NULL OR plan.kept_methods = '{}' THEN
        RETURN NEXT;
        RETURN;
    END IF;
    FOR unwanted IN
        SELECT u.* FROM contact_sync_internal.unwanted_methods(s, false) u
        WHERE u.unwanted > 0
          AND EXISTS (SELECT FROM contact_sync_internal.methods_of(s) w
                      WHERE w.number = u.number AND w.method = ANY (plan.kept_methods))
    LOOP
        kept := kept + unwanted.unwanted;
        IF plan.kept_because = 'most' THEN
            RAISE WARNING 'unwanted contact methods for column "%" of table "%" were left unchanged: % of %',
                          unwanted.column_name, contact_sync_internal.plain_name(s.customers), unwanted.unwanted,
                          unwanted.rows
                USING DETAIL = 'The column is empty for most customers who have a contact method for it. It may have been '
                               'emptied, or dropped and added again, by mistake.',
                      HINT = 'Fill the column, or call contact_sync.reconcile again with move_unwanted => true to move '
                             'these contact methods to contact_quarantine.';
        END IF;
    END LOOP;
    IF kept > 0 AND plan.kept_because = 'quarantine' THEN
        SELECT * INTO obstacle FROM contact_sync_internal.unwanted_obstacle(s);
        RAISE WARNING 'unwanted contact methods of table "%" were left unchanged: %',
                      contact_sync_internal.plain_name(s.customers), kept
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  DETAIL = format('They cannot be moved to contact_quarantine: %s.', obstacle.problem),
                  HINT = format('%s, then call contact_sync.reconcile again.',
                                coalesce('Run ' || rtrim(obstacle.fix, ';'), 'Correct this'));
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.report_kept_as_owner(regclass, contact_sync_internal.repair_plan) IS
    'report_kept, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.refusal_of_commit() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    COMMIT;
    RETURN NULL;
EXCEPTION WHEN invalid_transaction_termination THEN
    RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.refusal_of_commit() IS
    'the error message, in the language of the server, of a COMMIT where none is allowed';

CREATE FUNCTION contact_sync_internal.progress(done bigint, total bigint, started timestamptz) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%s of about %s customers done, %s a second, %s seconds left', done, greatest(total, done),
                  round(rate), coalesce(ceil(greatest(total - done, 0) / nullif(rate, 0))::text, 'unknown'))
    FROM (SELECT (done / greatest(extract(epoch FROM clock_timestamp() - started), 0.001))::numeric) AS speed(rate)
$$;
COMMENT ON FUNCTION contact_sync_internal.progress(bigint, bigint, timestamptz) IS 'how far reconcile is, in words';

CREATE PROCEDURE contact_sync.reconcile(
    customers regclass DEFAULT pg_catalog.to_regclass('customers'), batch_size integer DEFAULT 10000,
    id_column name DEFAULT NULL, phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL,
    move_unwanted boolean DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
    plan contact_sync_internal.repair_plan;
    refusal text;
    last text;
    part record;
    todo text[] := '{}';        -- customers whose contact data differs
    later text[] := '{}';       -- customers in use, to come back to
    waiting boolean := false;   -- we have come back to them
    group_size bigint := batch_size;
    skipped bigint := 0;
    failed bigint := 0;
    written bigint := 0;
    cleared bigint;
    orphans bigint;
    done bigint := 0;
    total bigint;
    started timestamptz;
    told timestamptz;
    pending oid[];
    number integer;
BEGIN
    -- No expression is evaluated before search_path is pinned. After each COMMIT the settings are the session's again.
    SET LOCAL search_path = pg_catalog, pg_temp;
    -- Within an exception block no COMMIT is allowed either, but then the message is another.
    BEGIN
        COMMIT;
    EXCEPTION WHEN invalid_transaction_termination THEN
        refusal := SQLERRM;
    END;
    IF refusal = contact_sync_internal.refusal_of_commit() THEN
        RAISE EXCEPTION 'contact_sync.reconcile cannot run inside a transaction block'
            USING ERRCODE = 'invalid_transaction_termination',
                  DETAIL = 'It commits after each batch.',
                  HINT = 'Call it outside a transaction block, with autocommit on, as the only statement of its query '
                         'string; not from a function, a procedure with a SET clause, or a block with an EXCEPTION '
                         'clause.';
    END IF;
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path = pg_catalog, pg_temp;

    IF batch_size IS NULL OR batch_size < 1 THEN
        RAISE EXCEPTION 'invalid value for parameter batch_size: %', coalesce(batch_size::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is how many customers are looked at between commits.';
    END IF;
    SELECT * INTO part
    FROM contact_sync_internal.begin_reconcile(customers, id_column, phone_column, whatsapp_column, move_unwanted);
    plan := part.plan;
    total := part.total;
    started := clock_timestamp();
    told := started;

    LOOP
        IF todo = '{}' THEN
            EXIT WHEN waiting;
            SELECT * INTO part FROM contact_sync_internal.next_customers(customers, plan, last, batch_size);
            last := part.last;
            todo := part.drifted;
            done := done + part.seen;
            IF part.seen = 0 THEN
                -- What was in use: one at a time, with no other customer locked while it is waited for.
                waiting := true;
                group_size := 1;
                todo := later;
                later := '{}';
            END IF;
        END IF;
        IF todo <> '{}' THEN
            SELECT * INTO part FROM contact_sync_internal.repair(customers, plan, todo, group_size, waiting, failed);
            todo := todo[part.done + 1:];
            group_size := CASE WHEN waiting THEN 1 ELSE part.next_size END;
            written := written + part.written;
            failed := part.failures;
            IF waiting THEN
                skipped := skipped + coalesce(cardinality(part.busy), 0);
            ELSE
                later := later || part.busy;
            END IF;
        END IF;
        -- Also when all of them fail
        IF clock_timestamp() - told >= interval '5 seconds' THEN
            told := clock_timestamp();
            RAISE NOTICE '%',
                contact_sync_internal.progress(done - cardinality(todo) - cardinality(later), total, started);
        END IF;

        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;

    cleared := (SELECT r.cleared FROM contact_sync_internal.clear_failures(customers, plan) AS r);
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;

    pending := ARRAY(SELECT r.constraint_id FROM contact_sync_internal.unvalidated(customers, plan) AS r);
    number := 1;
    WHILE number <= cardinality(pending) LOOP
        PERFORM FROM contact_sync_internal.validate(customers, pending[number]);
        number := number + 1;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;

    orphans := (SELECT r.orphans FROM contact_sync_internal.count_orphans(customers, plan) AS r);
    IF orphans > 0 THEN
        RAISE WARNING 'contact rows of no customer in "%": %', contact_sync_internal.plain_name(customers), orphans
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'They are left alone: contact_sync.drift shows them, as orphan.';
    END IF;
    PERFORM FROM contact_sync_internal.report_kept(customers, plan);
    RAISE NOTICE '% customers looked at: % contact rows written, % failed, % skipped; % earlier failures cleared',
        done, written, failed, skipped, cleared
        USING HINT = CASE
            WHEN skipped > 0 THEN 'Customers skipped are locked by another session: call contact_sync.reconcile again.'
            WHEN failed > 0 THEN 'contact_sync.failures has the errors; contact_sync.drift shows what is not right.'
            ELSE 'contact_sync.drift shows what is not right, if anything.' END;
END
$$;
COMMENT ON PROCEDURE contact_sync.reconcile(regclass, integer, name, name, name, boolean) IS
    'repairs the contact data of customers in batches and commits each; a run that was stopped is taken up by the next';
