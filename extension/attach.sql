
-- attach: runs each fix that verify finds, all or nothing.

CREATE FUNCTION contact_sync.attach(
    customers regclass DEFAULT pg_catalog.to_regclass('customers'),
    id_column name DEFAULT NULL, phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL,
    rls text DEFAULT 'inherit')
RETURNS TABLE (check_name text, object text, fix text)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync.attach(regclass, name, name, name, text) IS
    'runs each fix that verify finds, in order, and returns it; where something is blocked, raises and changes nothing';

CREATE FUNCTION contact_sync_internal.lock_tables(s contact_sync_internal.shape) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    contact_table text;
    constraints text;
BEGIN
    -- A statement that runs a legacy trigger holds customers and waits for the contact tables. Had we locked these and
    -- waited for customers, it could become the deadlock's victim; and it waits for us either way. Our own triggers give
    -- way: without legacy ones, or with these disabled, customers is locked last and shortly.
    IF EXISTS (SELECT FROM contact_sync_internal.sync_triggers(s.customers) t WHERE NOT t.ours AND t.state <> 'D') THEN
        PERFORM contact_sync_internal.execute(format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', s.name));
    END IF;
    FOR contact_table IN
        SELECT t.name FROM contact_sync_internal.contact_tables(s) t WHERE t.usable ORDER BY t.position
    LOOP
        PERFORM contact_sync_internal.execute(format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', contact_table));
    END LOOP;

    -- Where rows are moved nothing may be left to be checked at COMMIT, when the owner's rights are not in force.
    SELECT string_agg(DISTINCT format('%I.%I', n.nspname, k.conname), ', ') INTO constraints
    FROM contact_sync_internal.contact_tables(s) t
         JOIN pg_constraint k ON k.condeferrable AND t.relation IN (k.conrelid, k.confrelid)
         JOIN pg_namespace n ON n.oid = k.connamespace
    WHERE t.usable;
    IF constraints IS NOT NULL THEN
        PERFORM contact_sync_internal.execute(format('SET CONSTRAINTS %s IMMEDIATE', constraints));
    END IF;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.lock_tables(contact_sync_internal.shape) IS
    'locks the contact tables, so that what was looked at is what is changed';

CREATE FUNCTION contact_sync_internal.attach_as_owner(
    customers regclass, id_column name, phone_column name, whatsapp_column name, rls text)
RETURNS TABLE (check_name text, object text, fix text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    obstacles text;
    fixes text[];
    step text[];
    locked boolean := false;
    last boolean;
BEGIN
    -- Under a snapshot of the transaction's the look beneath the locks would see what there was before them.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'contact_sync.attach cannot run at isolation level %', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Call it in a transaction that begins with BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    PERFORM contact_sync_internal.require_columns(
        contact_sync_internal.describe(customers, id_column, phone_column, whatsapp_column));

    LOOP
        SELECT string_agg(format('%s, %s: %s', v.check_name, v.object, v.problem), E'\n' ORDER BY v.number)
                   FILTER (WHERE v.status = 'blocked'),
               array_agg(ARRAY[v.check_name, v.object, v.fix] ORDER BY v.number) FILTER (WHERE v.status = 'fix'),
               -- Of a table that is not ours yet, and of a column of another type, not all is known.
               count(*) FILTER (WHERE v.check_name IN ('contact_owner', 'column_value') AND v.status = 'fix') = 0
        INTO obstacles, fixes, last
        FROM contact_sync_internal.verify_as_owner(customers, id_column, phone_column, whatsapp_column, rls)
             WITH ORDINALITY AS v(check_name, object, status, problem, fix, number);

        IF obstacles IS NOT NULL THEN
            RAISE EXCEPTION 'contact_sync cannot be attached to %',
                            coalesce(customers::text, 'a table that is not there')
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = obstacles,
                      HINT = 'Nothing was changed. Mend this by hand first; contact_sync.verify shows it as blocked.';
        END IF;
        EXIT WHEN fixes IS NULL;

        -- What was seen without a lock may have changed: look again beneath it. One attach at a time, too: the second
        -- finds what the first has done.
        IF NOT locked THEN
            locked := true;
            PERFORM contact_sync_internal.execute(format('LOCK TABLE ONLY %s IN SHARE UPDATE EXCLUSIVE MODE', customers));
            PERFORM contact_sync_internal.lock_tables(
                contact_sync_internal.describe(customers, id_column, phone_column, whatsapp_column));
            CONTINUE;
        END IF;

        FOREACH step SLICE 1 IN ARRAY fixes LOOP
            CASE step[1]
                WHEN 'misplaced_rows' THEN          -- fires triggers of the owner
                    PERFORM FROM contact_sync_internal.write(step[3]) AS r(moved bigint);
                WHEN 'execute' THEN                 -- is not the owner's to grant
                    PERFORM contact_sync_internal.grant_execute(step[2]::regprocedure);
                ELSE
                    PERFORM contact_sync_internal.execute(step[3]);
            END CASE;
            check_name := step[1];
            object := step[2];
            fix := step[3];
            RETURN NEXT;
        END LOOP;
        EXIT WHEN last;
    END LOOP;

    -- PostgREST knows tables and columns from a cache of its own.
    IF locked THEN
        NOTIFY pgrst, 'reload schema';
    END IF;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.attach_as_owner(regclass, name, name, name, text) IS
    'contact_sync.attach, run as the owner of customers';
