
-- attach: runs each fix that verify finds, all or nothing.

CREATE FUNCTION @extschema@.attach(
    customers regclass DEFAULT pg_catalog.to_regclass('customers'),
    id_column name DEFAULT NULL, phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL,
    rls text DEFAULT 'inherit', level text DEFAULT NULL)
RETURNS TABLE (check_name text, object text, fix text)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
DECLARE
    obstacles text;
    fixes text[];
    step text[];
    contact_table text;
    locked boolean := false;
BEGIN
    -- Under a snapshot of the transaction's the look beneath the locks would see what there was before them.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'contact_sync.attach cannot run at isolation level %', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'Call it in a transaction that begins with BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;

    -- One at a time: the second finds what the first has done.
    PERFORM pg_advisory_xact_lock(hashtextextended('contact_sync.attach', customers::oid::bigint));

    LOOP
        SELECT string_agg(format('%s, %s: %s', v.check_name, v.object, v.problem), E'\n' ORDER BY v.number)
                   FILTER (WHERE v.status = 'blocked'),
               array_agg(ARRAY[v.check_name, v.object, v.fix] ORDER BY v.number) FILTER (WHERE v.status = 'fix')
        INTO obstacles, fixes
        FROM @extschema@.verify(customers, id_column, phone_column, whatsapp_column, rls, level)
             WITH ORDINALITY AS v(check_name, object, status, problem, fix, number);

        IF obstacles IS NOT NULL THEN
            RAISE EXCEPTION 'contact_sync cannot be attached to %',
                            coalesce(customers::text, 'a table that is not there')
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = obstacles,
                      HINT = 'Nothing was changed. Mend this by hand first; contact_sync.verify shows it as blocked.';
        END IF;

        IF fixes IS NULL THEN
            RETURN;
        END IF;
        EXIT WHEN locked;

        -- A statement that runs a legacy trigger holds customers and waits for the contact tables. Had we locked these
        -- and waited for customers, it could become the deadlock's victim; and it waits for us either way. Our own
        -- triggers give way: without legacy ones, or with these disabled, customers is locked last and shortly.
        IF EXISTS (SELECT FROM @extschema@.sync_triggers(customers::oid) t WHERE NOT t.ours AND t.state <> 'D') THEN
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', customers);
        END IF;

        -- Moving rows fires the triggers of the table they leave, with the caller's rights: nobody may add one between
        -- the look at them and the statement. So look again under the lock that the table's other fixes need as well.
        FOR contact_table IN
            SELECT DISTINCT fixes[i][2] FROM generate_subscripts(fixes, 1) AS i WHERE fixes[i][1] = 'misplaced_rows'
            ORDER BY 1
        LOOP
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', contact_table);
            locked := true;
        END LOOP;
        EXIT WHEN NOT locked;
    END LOOP;

    FOREACH step SLICE 1 IN ARRAY fixes LOOP
        EXECUTE step[3];
        check_name := step[1];
        object := step[2];
        fix := step[3];
        RETURN NEXT;
    END LOOP;

    -- PostgREST knows tables and columns from a cache of its own.
    NOTIFY pgrst, 'reload schema';
END
$$;
COMMENT ON FUNCTION @extschema@.attach(regclass, name, name, name, text, text) IS
    'runs each fix that verify finds, in order, and returns it; where something is blocked, raises and changes nothing';
