
-- reconcile: mends what drift names, batch by batch.
--
-- The procedure goes through the customers in the order of their key and commits after each batch. What it does in
-- between stands in functions, each of which runs as the owner of customers: only they can have SET clauses and catch
-- errors. Customers are locked first and read under that lock, contact rows after them, as the triggers do it. Ids
-- travel as text, which every type can be.
--
-- Statements are qualified, operators too, because search_path is what triggers of the contact tables expect.

CREATE TYPE contact_sync_internal.mending AS (
    s contact_sync_internal.shape,
    find text,                      -- the statements, as SQL: $1 are ids, as text; of find, an id and how many
    lock text,
    lock_waiting text,
    room integer,                   -- characters in phone_number; null: any number
    without_preferences text,
    insert_preferences text,
    compare text,                   -- what differs in methods, as json; the next three are about that: $1[1]
    update text,
    remove text,
    insert text,
    resolved text
);
COMMENT ON TYPE contact_sync_internal.mending IS 'how the contact data of a customers table is mended: the statements for it';

CREATE FUNCTION contact_sync_internal.plan_mending(s contact_sync_internal.shape)
RETURNS contact_sync_internal.mending
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    m contact_sync_internal.mending;
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
    has_preferred boolean;
BEGIN
    SELECT * INTO preferences FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name = 'contact_preferences';
    SELECT * INTO methods FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name = 'contact_methods';
    m.s := s;

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
    SELECT string_agg(', ' || change.assignment, '' ORDER BY change.position) INTO changes
    FROM (VALUES (1, 'is_available', 'is_available = true'),
                 (2, 'verification_status', 'verification_status = ''unknown'''),
                 (3, 'last_verified', 'last_verified = NULL'),
                 (4, 'updated_at', 'updated_at = pg_catalog.now()')) AS change(position, column_name, assignment)
         JOIN pg_attribute a ON a.attrelid = methods.relation AND a.attname = change.column_name
                                AND NOT a.attisdropped;
    SELECT count(*) = 2 INTO has_preferred
    FROM pg_attribute a
    WHERE (a.attrelid, a.attname) IN ((methods.relation, 'is_preferred'), (preferences.relation, 'preferred_method'))
      AND NOT a.attisdropped;

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
                                                  CASE WHEN m.method_type::pg_catalog.text
                                                            OPERATOR(pg_catalog.=) 'whatsapp'
                                                       THEN c.whatsapp ELSE c.phone END),
                                        pg_catalog.num_nonnulls(c.whatsapp, c.phone, c.phone)
                                 FROM %8$s AS m
                                 WHERE m.customer_id %9$s c.id AND m.method_type::pg_catalog.text IN (%10$s)
                                ) AS m(present, right_ones, wanted)
        $sql$,
        customer, s.name, s.id_column, greater, s.id_type, less, preferences.name, methods.name, s.id_equality,
        known);

    lock_customers := $sql$
        SELECT pg_catalog.array_agg(k.id)
        FROM pg_catalog.unnest($1) AS k(id)
             CROSS JOIN LATERAL (SELECT FROM %1$s AS c WHERE c.%2$I %3$s k.id::%4$s FOR NO KEY UPDATE %5$s) AS locked
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
                       ELSE w.number IS NULL OR w.actual IS NULL OR w.actual OPERATOR(pg_catalog.<>) w.number END
        )
        SELECT pg_catalog.json_agg(d.*) FILTER (WHERE d.present AND d.number IS NOT NULL AND NOT d.unfit),
               pg_catalog.json_agg(d.*) FILTER (WHERE d.present AND d.number IS NULL),
               pg_catalog.json_agg(d.*) FILTER (WHERE NOT d.present AND NOT d.unfit),
               pg_catalog.array_agg(DISTINCT ARRAY[d.id, d.source]) FILTER (WHERE d.unfit)
        FROM drifted AS d
        $sql$,
        customer, s.name, s.id_column, s.id_equality, s.id_type, preferred, m.room, found, methods.name, compared);
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
    m.remove := format('DELETE FROM %s AS m USING %s WHERE %s', methods.name, listed, row_meant);
    m.insert := format('INSERT INTO %s (customer_id, method_type, phone_number%s) SELECT d.id, d.method::%s, d.number%s FROM %s',
                       methods.name, CASE WHEN has_preferred THEN ', is_preferred' END, method_type,
                       CASE WHEN has_preferred THEN ', d.preferred' END, listed);

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
                         EXISTS (SELECT FROM %6$s AS p WHERE p.customer_id %8$s c.id)
                     WHEN 'update_contact_methods' THEN
                         NOT EXISTS (
                             SELECT FROM (VALUES %9$s) AS w(method, number)
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
COMMENT ON FUNCTION contact_sync_internal.plan_mending(contact_sync_internal.shape) IS
    'the statements that mend the contact data of customers';

--
-- failures is for nobody but the extension's owner. These let in the owner of customers, for the failures of that table.
--

CREATE FUNCTION contact_sync_internal.family_names(customers regclass) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- An inheritance child's failures are in its own name.
    WITH RECURSIVE family(relation) AS (
        SELECT customers::oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.relation
    )
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM family JOIN pg_class c ON c.oid = family.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relowner = (SELECT relowner FROM pg_class WHERE oid = customers::oid)
$$;
COMMENT ON FUNCTION contact_sync_internal.family_names(regclass) IS
    'a table, its partitions and inheritance children of the same owner, as failures name them';

CREATE FUNCTION contact_sync_internal.waiting_failures(customers regclass)
RETURNS TABLE (customers_table text, customer text, function text, times bigint)
AS 'MODULE_PATHNAME', 'run_as_keeper' LANGUAGE C STABLE;
COMMENT ON FUNCTION contact_sync_internal.waiting_failures(regclass) IS
    'the failures that wait, without their messages';

CREATE FUNCTION contact_sync_internal.waiting_failures_as_keeper(customers regclass)
RETURNS TABLE (customers_table text, customer text, function text, times bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.customers_table, f.customer, f.function, f.times
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
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    WITH recorded AS (
        INSERT INTO contact_sync.failures AS f
            (customers_table, customer, function, first_failed, last_failed, times, sqlstate, message)
        SELECT format('%I.%I', n.nspname, c.relname), record_failure_as_keeper.customer,
               record_failure_as_keeper.function, now(), now(), 1, state, left(record_failure_as_keeper.message, 1024)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = customers::oid AND c.relpersistence <> 't'     -- which anybody can make
        ON CONFLICT (customers_table, customer, function) DO UPDATE
            SET last_failed = excluded.last_failed, times = f.times + 1, sqlstate = excluded.sqlstate,
                message = excluded.message
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM recorded)
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

--
-- The steps
--

CREATE FUNCTION contact_sync_internal.estimated_customers(customers regclass, OUT estimate bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
    WITH RECURSIVE family(relation) AS (
        SELECT customers::oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.relation
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
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum(r.touched), 0)::bigint
    FROM (VALUES (listed)) AS given(listed)
         CROSS JOIN LATERAL contact_sync_internal.look_up(statement, ARRAY[given.listed::text]) AS r(touched bigint)
    WHERE given.listed IS NOT NULL
$$;
COMMENT ON FUNCTION contact_sync_internal.write_listed(text, json) IS
    'runs a statement over what compare has listed, if anything, and counts the rows that it touched';

CREATE FUNCTION contact_sync_internal.mend_step(
    m contact_sync_internal.mending, function text, keys text[], waiting boolean,
    OUT written bigint, OUT unfit text[], OUT reasons text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    deadlock_timeout integer := (SELECT setting FROM pg_settings WHERE name = 'deadlock_timeout');
    lock_timeout integer := (SELECT setting FROM pg_settings WHERE name = 'lock_timeout');
    own_timeout integer := (SELECT setting FROM pg_settings WHERE name = 'contact_sync.lock_timeout');
    listed record;
BEGIN
    -- Who holds a contact row may be about to change its customer, whom we hold. We give up before that session finds
    -- the deadlock and becomes its victim; and soonest where we hold many.
    own_timeout := least(own_timeout, greatest(deadlock_timeout - 1, 1), nullif(lock_timeout, 0),
                         CASE WHEN waiting THEN NULL ELSE 50 END);
    PERFORM set_config('lock_timeout', own_timeout::text, true);

    IF function = 'initialize_contact_preferences' THEN
        keys := (SELECT r.ids FROM contact_sync_internal.look_up(m.without_preferences, keys) AS r(ids text[]));
        written := 0;
        IF keys IS NOT NULL THEN
            written := (SELECT r.touched FROM contact_sync_internal.look_up(m.insert_preferences, keys)
                                              AS r(touched bigint));
        END IF;
        RETURN;
    END IF;

    SELECT * INTO listed
    FROM contact_sync_internal.look_up(m.compare, keys) AS r(stale json, unwanted json, missing json, unfit text[]);
    written := contact_sync_internal.write_listed(m.update, listed.stale)
               + contact_sync_internal.write_listed(m.remove, listed.unwanted)
               + contact_sync_internal.write_listed(m.insert, listed.missing);
    SELECT array_agg(listed.unfit[i][1]),
           array_agg(format('%s number is too long for column "phone_number" of table "contact_methods": '
                            'it has room for %s characters', listed.unfit[i][2], m.room))
    INTO unfit, reasons
    FROM generate_subscripts(listed.unfit, 1) AS i;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.mend_step(contact_sync_internal.mending, text, text[], boolean) IS
    'writes what one of the trigger functions would write, with no long waits for locks; says which customers were left out';

CREATE FUNCTION contact_sync_internal.report_failures(
    m contact_sync_internal.mending, function text, state text, unfit text[], reasons text[], INOUT failed bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    recorded boolean;
BEGIN
    FOR i IN 1..coalesce(cardinality(unfit), 0) LOOP
        failed := failed + 1;
        recorded := (SELECT r.recorded
                     FROM contact_sync_internal.record_failure((m.s).customers, unfit[i], function, state, reasons[i])
                          AS r);
        IF NOT recorded OR failed <= 10 THEN
            RAISE WARNING 'contact data of customer % of table "%" cannot be mended: %',
                          unfit[i], contact_sync_internal.plain_name((m.s).customers), reasons[i]
                USING ERRCODE = state,
                      HINT = 'The others go on. Mend the cause, and call contact_sync.reconcile again.';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.report_failures(contact_sync_internal.mending, text, text, text[], text[], bigint) IS
    'records failures and counts them; a WARNING for the first ten, and for any that cannot be recorded';

CREATE FUNCTION contact_sync_internal.mend_guarded(
    m contact_sync_internal.mending, function text, keys text[], waiting boolean,
    INOUT failed bigint, OUT written bigint, OUT busy text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    unfit text[];
    state text := '22001';
    reasons text[];
    half integer := cardinality(keys) / 2;
    part record;
BEGIN
    FOR try IN 1..2 LOOP
        BEGIN
            SELECT step.written, step.unfit, step.reasons INTO written, unfit, reasons
            FROM contact_sync_internal.mend_step(m, function, keys, waiting) AS step;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                busy := keys;
            WHEN OTHERS THEN
                -- A row that another session has inserted since is seen by the next look.
                CONTINUE WHEN SQLSTATE = '23505' AND try = 1;
                -- What lies with no customer would only repeat.
                IF left(SQLSTATE, 2) IN ('25', '40', '42', '53', '57', '58', 'XX') THEN
                    RAISE;
                END IF;
                unfit := keys;
                state := SQLSTATE;
                reasons := ARRAY[SQLERRM];
        END;
        EXIT;
    END LOOP;

    -- The others of the batch are not to suffer: halves, until the customers at fault stand alone.
    IF written IS NULL AND half > 0 THEN
        written := 0;
        busy := NULL;
        FOR i IN 0..1 LOOP
            SELECT * INTO part
            FROM contact_sync_internal.mend_guarded(m, function,
                                          CASE i WHEN 0 THEN keys[:half] ELSE keys[half + 1:] END, waiting, failed);
            written := written + part.written;
            failed := part.failed;
            busy := busy || part.busy;
        END LOOP;
        RETURN;
    END IF;

    written := coalesce(written, 0);
    failed := contact_sync_internal.report_failures(m, function, state, unfit, reasons, failed);
END
$$;
COMMENT ON FUNCTION contact_sync_internal.mend_guarded(contact_sync_internal.mending, text, text[], boolean, bigint) IS
    'mends customers that are locked; one that cannot be mended is recorded, and the others are all the same';

CREATE FUNCTION contact_sync_internal.mend(
    m contact_sync_internal.mending, keys text[], waiting boolean, INOUT failed bigint, OUT written bigint, OUT skipped text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    locked text[];
    part text;
    outcome record;
BEGIN
    -- What would be checked at COMMIT is checked where an error is caught, and with the rights of the owner.
    SET CONSTRAINTS ALL IMMEDIATE;
    written := 0;
    BEGIN
        SELECT r.locked INTO locked
        FROM contact_sync_internal.look_up(CASE WHEN waiting THEN m.lock_waiting ELSE m.lock END, keys)
             AS r(locked text[]);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        skipped := keys;
        RETURN;
    END;
    IF NOT waiting AND cardinality(locked) IS DISTINCT FROM cardinality(keys) THEN
        skipped := ARRAY(SELECT unnest(keys) EXCEPT SELECT unnest(locked));
    END IF;
    IF locked IS NULL THEN          -- or gone
        RETURN;
    END IF;

    -- Which method is preferred is in the preferences: they come first.
    FOREACH part IN ARRAY '{initialize_contact_preferences, update_contact_methods}'::text[] LOOP
        SELECT * INTO outcome FROM contact_sync_internal.mend_guarded(m, part, locked, waiting, failed);
        failed := outcome.failed;
        written := written + outcome.written;
        skipped := skipped || outcome.busy;
    END LOOP;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.mend(contact_sync_internal.mending, text[], boolean, bigint) IS
    'locks customers and mends their contact data; without waiting, those in use are skipped and returned';

CREATE FUNCTION contact_sync_internal.begin_reconcile(
    customers regclass, id_column name, phone_column name, whatsapp_column name)
RETURNS TABLE (m contact_sync_internal.mending, total bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.begin_reconcile(regclass, name, name, name) IS
    'how to mend the contact data of customers, and of how many';

CREATE FUNCTION contact_sync_internal.begin_reconcile_as_owner(
    customers regclass, id_column name, phone_column name, whatsapp_column name)
RETURNS TABLE (m contact_sync_internal.mending, total bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT contact_sync_internal.plan_mending(
               contact_sync_internal.require(customers, id_column, phone_column, whatsapp_column, true)),
           contact_sync_internal.estimated_customers(customers)
$$;
COMMENT ON FUNCTION contact_sync_internal.begin_reconcile_as_owner(regclass, name, name, name) IS
    'begin_reconcile, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.mend_batch(
    customers regclass, m contact_sync_internal.mending, after text, batch_size integer, failed bigint)
RETURNS TABLE (seen bigint, last text, written bigint, failures bigint, skipped text[])
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.mend_batch(regclass, contact_sync_internal.mending, text, integer, bigint) IS
    'mends the next customers after one; those in use are skipped and returned';

CREATE FUNCTION contact_sync_internal.mend_batch_as_owner(
    customers regclass, m contact_sync_internal.mending, after text, batch_size integer, failed bigint)
RETURNS TABLE (seen bigint, last text, written bigint, failures bigint, skipped text[])
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    drifted text[];
    part record;
BEGIN
    SELECT r.seen, r.last, r.drifted INTO seen, last, drifted
    FROM contact_sync_internal.look_up(m.find, ARRAY[after, batch_size::text])
         AS r(seen bigint, last text, drifted text[]);
    failures := failed;
    written := 0;
    IF drifted IS NOT NULL THEN
        SELECT * INTO part FROM contact_sync_internal.mend(m, drifted, false, failed);
        failures := part.failed;
        written := part.written;
        skipped := part.skipped;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.mend_batch_as_owner(
    regclass, contact_sync_internal.mending, text, integer, bigint) IS
    'mend_batch, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.mend_customer(
    customers regclass, m contact_sync_internal.mending, customer text, failed bigint)
RETURNS TABLE (written bigint, failures bigint, skipped boolean)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.mend_customer(regclass, contact_sync_internal.mending, text, bigint) IS
    'mends one customer, and waits where it is in use';

CREATE FUNCTION contact_sync_internal.mend_customer_as_owner(
    customers regclass, m contact_sync_internal.mending, customer text, failed bigint)
RETURNS TABLE (written bigint, failures bigint, skipped boolean)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT part.written, part.failed, part.skipped IS NOT NULL
    FROM contact_sync_internal.mend(m, ARRAY[customer], true, failed) AS part
$$;
COMMENT ON FUNCTION contact_sync_internal.mend_customer_as_owner(
    regclass, contact_sync_internal.mending, text, bigint) IS
    'mend_customer, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.clear_failures(customers regclass, m contact_sync_internal.mending)
RETURNS TABLE (cleared bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.clear_failures(regclass, contact_sync_internal.mending) IS
    'takes the failures away whose customer is right now, or gone, and returns how many';

CREATE FUNCTION contact_sync_internal.clear_failures_as_owner(customers regclass, m contact_sync_internal.mending)
RETURNS TABLE (cleared bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    resolved record;
BEGIN
    cleared := 0;
    IF EXISTS (SELECT FROM contact_sync_internal.waiting_failures(clear_failures_as_owner.customers)) THEN
        SELECT r.* INTO resolved
        FROM contact_sync_internal.write(m.resolved)
             AS r(tables text[], customers text[], functions text[], known_times bigint[]);
        SELECT f.forgotten INTO cleared
        FROM contact_sync_internal.forget_failures(
            clear_failures_as_owner.customers, resolved.tables, resolved.customers, resolved.functions,
            resolved.known_times) AS f;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.clear_failures_as_owner(regclass, contact_sync_internal.mending) IS
    'clear_failures, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.unvalidated(customers regclass, m contact_sync_internal.mending)
RETURNS TABLE (constraint_id oid)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.unvalidated(regclass, contact_sync_internal.mending) IS
    'the constraints of contact tables that are not validated';

CREATE FUNCTION contact_sync_internal.unvalidated_as_owner(customers regclass, m contact_sync_internal.mending)
RETURNS TABLE (constraint_id oid)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.oid
    FROM contact_sync_internal.contact_tables(m.s) t JOIN pg_constraint k ON k.conrelid = t.relation
    WHERE t.usable AND NOT k.convalidated AND k.conparentid = 0 AND k.contype IN ('c', 'f')
      AND contact_sync_internal.is_enforced(k.oid)
    ORDER BY t.position, k.conname
$$;
COMMENT ON FUNCTION contact_sync_internal.unvalidated_as_owner(regclass, contact_sync_internal.mending) IS
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
                      HINT = 'Mend the rows that break it, and call contact_sync.reconcile again.';
            validated := false;
        END;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.validate_as_owner(regclass, oid) IS
    'validate, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.count_orphans(customers regclass, m contact_sync_internal.mending)
RETURNS TABLE (orphans bigint)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync_internal.count_orphans(regclass, contact_sync_internal.mending) IS
    'how many preferences and methods are of no customer';

CREATE FUNCTION contact_sync_internal.count_orphans_as_owner(customers regclass, m contact_sync_internal.mending)
RETURNS TABLE (orphans bigint)
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT coalesce(sum(contact_sync_internal.count_rows(
               format('SELECT count(*) FROM %s AS t WHERE NOT EXISTS (SELECT FROM %s AS c WHERE t.customer_id %s c.%I)',
                      t.name, (m.s).name, (m.s).id_equality, (m.s).id_column))), 0)::bigint
    FROM contact_sync_internal.contact_tables(m.s) t
    WHERE t.usable AND t.unique_key IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_constraint k       -- which leaves none
                      WHERE k.conrelid = t.relation AND k.contype = 'f' AND k.convalidated
                        AND k.confrelid = (m.s).customers AND k.confkey = ARRAY[(m.s).id])
$$;
COMMENT ON FUNCTION contact_sync_internal.count_orphans_as_owner(regclass, contact_sync_internal.mending) IS
    'count_orphans, run as the owner of customers';

CREATE FUNCTION contact_sync_internal.progress(done bigint, total bigint, started timestamptz) RETURNS text
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%s of about %s customers done, %s a second, %s seconds left', done, greatest(total, done),
                  round(rate), ceil(greatest(total - done, 0) / rate))
    FROM (SELECT (done / greatest(extract(epoch FROM clock_timestamp() - started), 0.001))::numeric) AS speed(rate)
$$;
COMMENT ON FUNCTION contact_sync_internal.progress(bigint, bigint, timestamptz) IS 'how far reconcile is, in words';

CREATE PROCEDURE contact_sync.reconcile(
    customers regclass DEFAULT pg_catalog.to_regclass('customers'), batch_size integer DEFAULT 10000,
    id_column name DEFAULT NULL, phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
    m contact_sync_internal.mending;
    last text;
    part record;
    later text[] := '{}';       -- customers in use, to come back to
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
    -- Where it may not commit it says so before it has done anything. After each COMMIT the settings are the session's
    -- again; no expression is evaluated before search_path is pinned.
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path = pg_catalog, pg_temp;

    IF batch_size IS NULL OR batch_size < 1 THEN
        RAISE EXCEPTION 'invalid value for parameter batch_size: %', coalesce(batch_size::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'It is how many customers are looked at between commits.';
    END IF;
    SELECT * INTO part FROM contact_sync_internal.begin_reconcile(customers, id_column, phone_column, whatsapp_column);
    m := part.m;
    total := part.total;
    started := clock_timestamp();
    told := started;

    LOOP
        SELECT * INTO part FROM contact_sync_internal.mend_batch(customers, m, last, batch_size, failed);
        EXIT WHEN part.seen = 0;
        last := part.last;
        failed := part.failures;
        written := written + part.written;
        later := later || part.skipped;
        done := done + part.seen;
        IF clock_timestamp() - told >= interval '5 seconds' THEN
            told := clock_timestamp();
            RAISE NOTICE '%', contact_sync_internal.progress(done, total, started);
        END IF;

        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;

    -- What was in use: one at a time, with no other customer locked while it is waited for.
    number := 1;
    WHILE number <= cardinality(later) LOOP
        SELECT * INTO part FROM contact_sync_internal.mend_customer(customers, m, later[number], failed);
        failed := part.failures;
        written := written + part.written;
        skipped := skipped + part.skipped::integer;
        number := number + 1;

        COMMIT;
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;

    cleared := (SELECT r.cleared FROM contact_sync_internal.clear_failures(customers, m) AS r);
    COMMIT;
    SET LOCAL search_path = pg_catalog, pg_temp;

    pending := ARRAY(SELECT r.constraint_id FROM contact_sync_internal.unvalidated(customers, m) AS r);
    number := 1;
    WHILE number <= cardinality(pending) LOOP
        PERFORM FROM contact_sync_internal.validate(customers, pending[number]);
        number := number + 1;
        COMMIT;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END LOOP;

    orphans := (SELECT r.orphans FROM contact_sync_internal.count_orphans(customers, m) AS r);
    IF orphans > 0 THEN
        RAISE WARNING 'contact rows of no customer in "%": %', contact_sync_internal.plain_name(customers), orphans
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'They are left alone: contact_sync.drift shows them, as orphan.';
    END IF;
    RAISE NOTICE '% customers looked at: % contact rows written, % failed, % skipped; % earlier failures cleared',
        done, written, failed, skipped, cleared
        USING HINT = CASE
            WHEN skipped > 0 THEN 'Customers skipped are locked by another session: call contact_sync.reconcile again.'
            WHEN failed > 0 THEN 'contact_sync.failures has the errors; contact_sync.drift shows what is not right.'
            ELSE 'contact_sync.drift shows what is not right, if anything.' END;
END
$$;
COMMENT ON PROCEDURE contact_sync.reconcile(regclass, integer, name, name, name) IS
    'mends the contact data of customers in batches and commits each; a run that was stopped is taken up by the next';
