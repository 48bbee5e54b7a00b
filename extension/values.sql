
-- Checks of what the sync writes: whether the columns accept its values, and what a new row cannot do without.

CREATE FUNCTION contact_sync_internal.type_users(relation oid, attnum smallint) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(DISTINCT name, ', ') FROM (
        SELECT coalesce(v.ev_class::regclass::text, pg_describe_object(d.classid, d.objid, d.objsubid)) AS name
        FROM pg_depend d LEFT JOIN pg_rewrite v ON d.classid = 'pg_rewrite'::regclass AND v.oid = d.objid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = relation AND d.refobjsubid = attnum
          AND (d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass,
                             'pg_proc'::regclass, 'pg_publication_rel'::regclass)
               OR EXISTS (SELECT FROM pg_attrdef e
                          WHERE d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid AND e.adnum <> attnum))
        UNION ALL
        SELECT 'the partition key' FROM pg_partitioned_table p
        WHERE p.partrelid = relation AND attnum = ANY (p.partattrs::smallint[])
        UNION ALL
        SELECT 'inheritance from ' || i.inhparent::regclass
        FROM pg_inherits i JOIN pg_attribute a ON (a.attrelid, a.attnum) = (i.inhrelid, type_users.attnum)
        WHERE i.inhrelid = relation AND a.attinhcount > 0
        UNION ALL
        SELECT format('column %I of %s', a.attname, a.attrelid::regclass)
        FROM pg_type t JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped
        WHERE t.typrelid = relation
    ) AS dependent
$$;
COMMENT ON FUNCTION contact_sync_internal.type_users(oid, smallint) IS
    'what keeps a column''s type from being changed, null where nothing does';

CREATE FUNCTION contact_sync_internal.refusals(relation oid, attnum smallint, wanted text[])
RETURNS TABLE (by_type boolean, conname name, expression text, refused text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    own record;
    rule record;
BEGIN
    SELECT a.atttypid, base.width, t.typtype, t.typcategory, t.oid AS base_oid
    INTO own
    FROM pg_attribute a
         CROSS JOIN LATERAL contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS base
         JOIN pg_type t ON t.oid = base.type
    WHERE a.attrelid = refusals.relation AND a.attnum = refusals.attnum;

    -- The type: its length, an enum's labels.
    SELECT true, string_agg(value, ', ' ORDER BY place) INTO by_type, refused
    FROM unnest(wanted) WITH ORDINALITY AS w(value, place)
    WHERE CASE WHEN own.typtype = 'e'
               THEN NOT EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = own.base_oid AND e.enumlabel = value)
               WHEN own.typcategory = 'S' THEN length(value) > own.width
               ELSE true END;
    IF refused IS NOT NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- What a type of somebody's own makes of a text is not tried.
    IF own.typtype = 'b' AND own.base_oid >= 16384 THEN
        RETURN;
    END IF;

    -- The constraints on it alone, and its domains', where trying them runs nobody's code. Those that a NULL passes
    -- with are passed.
    FOR rule IN
        WITH RECURSIVE domain(type) AS (
            SELECT own.atttypid
            UNION
            SELECT t.typbasetype FROM domain JOIN pg_type t ON t.oid = domain.type WHERE t.typtype = 'd'
        )
        SELECT k.oid, k.contypid <> 0 AS of_type, k.conname, pg_get_expr(k.conbin, k.conrelid) AS expression
        FROM pg_constraint k
        WHERE k.contype = 'c' AND contact_sync_internal.is_enforced(k.oid)
          AND (k.conrelid = refusals.relation AND k.conkey = ARRAY[refusals.attnum] AND k.coninhcount = 0
               OR k.conrelid = 0 AND k.contypid IN (SELECT type FROM domain))
        ORDER BY k.contypid = 0, k.conname
    LOOP
        BEGIN
            SELECT string_agg(value, ', ' ORDER BY place) INTO refused
            FROM unnest(wanted) WITH ORDINALITY AS w(value, place)
            WHERE contact_sync_internal.is_refused(rule.oid, value);
        EXCEPTION WHEN data_exception THEN
            refused := array_to_string(wanted, ', ');
        END;
        IF refused IS NOT NULL THEN
            by_type := rule.of_type;
            conname := rule.conname;
            expression := rule.expression;
            RETURN NEXT;
            EXIT WHEN by_type;      -- another type takes all its constraints away
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.refusals(oid, smallint, text[]) IS
    'by what a column refuses some of the values it must be able to have: its type, or a constraint on it alone';

CREATE FUNCTION contact_sync_internal.missing_defaults(s contact_sync_internal.shape)
RETURNS TABLE (table_name name, "position" integer, column_name name, default_value text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.table_name, w.position, w.column_name, w.default_value
    FROM contact_sync_internal.contact_tables(s) t
         JOIN contact_sync_internal.contact_columns(s) w USING (table_name)
         JOIN pg_attribute a ON (a.attrelid, a.attname) = (t.relation, w.column_name) AND NOT a.attisdropped
    WHERE t.usable AND w.default_value IS NOT NULL AND to_regtype(w.type) = a.atttypid
      AND NOT a.atthasdef AND a.attidentity = ''
$$;
COMMENT ON FUNCTION contact_sync_internal.missing_defaults(contact_sync_internal.shape) IS
    'the columns of contact tables that lack the default that attach gives them';

CREATE FUNCTION contact_sync_internal.written_values(s contact_sync_internal.shape)
RETURNS TABLE (table_name name, column_name name, category "char", "values" text[], needed boolean, assignment text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- The category is pg_type.typcategory's; the assignment is what becomes of a row that gets another number.
    VALUES ('contact_methods'::name, 'method_type'::name, 'S'::"char",
            ARRAY(SELECT method FROM contact_sync_internal.method_types()), true, NULL),
           ('contact_methods', 'is_preferred', 'B', '{true,false}', false, NULL),
           ('contact_methods', 'is_available', 'B', '{true}', false, 'true'),
           ('contact_methods', 'verification_status', 'S', '{unknown}', false, '''unknown'''),
           ('contact_methods', 'last_verified', 'D', '{NULL}', false, 'NULL'),
           ('contact_methods', 'updated_at', 'D', '{now}', false, 'pg_catalog.now()')
    UNION ALL
    -- Words that become defaults
    SELECT d.table_name, d.column_name, 'S', ARRAY[btrim(d.default_value, '''')], false, NULL
    FROM contact_sync_internal.missing_defaults(s) d
    WHERE d.table_name = 'contact_preferences' AND d.default_value ~ '^''\w+''$'
$$;
COMMENT ON FUNCTION contact_sync_internal.written_values(contact_sync_internal.shape) IS
    'what the sync writes into columns of contact tables, beside customers and numbers';

CREATE FUNCTION contact_sync_internal.accepted_values(s contact_sync_internal.shape)
RETURNS TABLE (column_name name, assignment text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT w.column_name, w.assignment
    FROM contact_sync_internal.written_values(s) w JOIN contact_sync_internal.contact_tables(s) t USING (table_name)
    WHERE t.table_name = 'contact_methods'
      AND NOT EXISTS (SELECT FROM unnest(w.values) AS v
                      WHERE NOT contact_sync_internal.accepts(t.relation, w.column_name, w.category, v))
$$;
COMMENT ON FUNCTION contact_sync_internal.accepted_values(contact_sync_internal.shape) IS
    'the columns of contact_methods that accept what the sync writes, and what that is; the others are left unchanged';

CREATE FUNCTION contact_sync_internal.check_values(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH written AS MATERIALIZED (
        SELECT t.position, t.name, t.relation, w.column_name, w.category, w.values, w.needed, a.attnum,
               format_type(a.atttypid, a.atttypmod) AS type_name, base.oid AS base_type, base.typtype = 'e' AS is_enum,
               w.category = 'S' AND (base.typcategory = 'S' OR base.typtype = 'e') AS is_word,
               pg_has_role(s.owner, base.typowner, 'USAGE') AS type_is_own
        FROM contact_sync_internal.written_values(s) w
             JOIN contact_sync_internal.contact_tables(s) t USING (table_name)
             JOIN pg_attribute a ON (a.attrelid, a.attname) = (t.relation, w.column_name) AND NOT a.attisdropped
             CROSS JOIN LATERAL contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS own
             JOIN pg_type base ON base.oid = own.type
        WHERE t.usable
    ), refused AS (
        SELECT w.*, r.by_type, r.conname, r.refused, r.expression,
               CASE WHEN NOT r.by_type THEN NULL
                    WHEN w.is_enum AND r.conname IS NULL THEN
                        CASE WHEN NOT w.type_is_own THEN 'add it as the type''s owner' END
                    ELSE 'drop first what depends on its type: '
                         || contact_sync_internal.type_users(w.relation, w.attnum) END AS obstacle
        FROM written w
             CROSS JOIN LATERAL contact_sync_internal.refusals(w.relation, w.attnum, w.values) AS r
        WHERE w.is_word
    ), finding AS (
        -- A column for words is mended, by its type, an enum's labels or a constraint.
        SELECT r.position, r.name, r.column_name,
               CASE WHEN r.obstacle IS NULL THEN 'fix' WHEN r.needed THEN 'blocked' ELSE 'advice' END AS status,
               CASE WHEN NOT r.by_type THEN format('constraint %I refuses %s', r.conname, r.refused)
                    ELSE format('its type %s has no room for %s', r.type_name, r.refused)
                         || coalesce('; ' || r.obstacle, '')
                         || CASE WHEN r.obstacle IS NULL OR r.needed THEN '' ELSE '; its values are left unchanged' END
               END AS problem,
               CASE WHEN NOT r.by_type THEN
                        -- What was good stays good. Rows that are there need no check: the old constraint saw them.
                        format(E'ALTER TABLE %s DROP CONSTRAINT %I,\n'
                               '    ADD CONSTRAINT %2$I\n'
                               '    CHECK (%I IN (%s) OR %s)%s;',
                               r.name, r.conname, r.column_name,
                               (SELECT string_agg(quote_literal(v), ', ') FROM unnest(r.values) AS v), r.expression,
                               CASE WHEN contact_sync_internal.holds_rows(r.relation) THEN ' NOT VALID' ELSE '' END)
                    WHEN r.is_enum AND r.conname IS NULL THEN
                        (SELECT string_agg(format('ALTER TYPE %s ADD VALUE %L;', r.base_type::regtype, label), E'\n')
                         FROM unnest(string_to_array(r.refused, ', ')) AS label)
                    ELSE format('ALTER TABLE %s ALTER COLUMN %I TYPE character varying(20);', r.name, r.column_name)
               END AS fix
        FROM refused r

        UNION ALL
        -- One of another kind is left unchanged, unless the sync cannot do without it.
        SELECT w.position, w.name, w.column_name, CASE WHEN w.needed THEN 'blocked' ELSE 'advice' END,
               CASE WHEN w.needed THEN format('its type %s has no room for %s: make it another type',
                                              w.type_name, array_to_string(w.values, ', '))
                    ELSE format('it does not accept %s: its values are left unchanged', array_to_string(w.values, ' and ', 'null')) END,
               NULL
        FROM written w
        WHERE NOT w.is_word
          AND EXISTS (SELECT FROM unnest(w.values) AS v
                      WHERE NOT contact_sync_internal.accepts(w.relation, w.column_name, w.category, v))
    )
    SELECT CASE w.column_name WHEN 'method_type' THEN 'method_type' ELSE 'column_value' END,
           format('%s.%I', w.name, w.column_name), coalesce(f.status, 'ok'), f.problem,
           CASE WHEN f.status = 'fix' OR f.fix LIKE 'ALTER TYPE %' THEN f.fix END
    FROM written w LEFT JOIN finding f USING (name, column_name)
    WHERE f.status IS NOT NULL OR w.needed
    ORDER BY w.position, w.column_name <> 'method_type', w.column_name, f.problem
$$;
COMMENT ON FUNCTION contact_sync_internal.check_values(contact_sync_internal.shape) IS
    'what verify says of columns that do not accept what the sync writes';

CREATE FUNCTION contact_sync_internal.may_fill(relation oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- pg_trigger.tgtype: row 1, before 2, insert 4
    SELECT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgtype & 7 = 7 AND t.tgenabled IN ('O', 'A'))
$$;
COMMENT ON FUNCTION contact_sync_internal.may_fill(oid) IS
    'whether a BEFORE INSERT trigger of a table may give a new row values that it does not come with';

CREATE FUNCTION contact_sync_internal.check_required_columns(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH required AS (
        SELECT t.name, format('%s.%I', t.name, a.attname) AS object, a.attnum, filled
        FROM contact_sync_internal.contact_tables(s) t
             JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped
             CROSS JOIN LATERAL contact_sync_internal.may_fill(t.relation) AS found(filled)
        WHERE t.usable AND t.table_name <> 'contact_history' AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
          AND a.attname NOT IN ('customer_id', 'method_type', 'phone_number')
          AND NOT EXISTS (SELECT FROM pg_type y WHERE y.oid = a.atttypid AND y.typdefault IS NOT NULL)
          AND NOT EXISTS (SELECT FROM contact_sync_internal.missing_defaults(s) d     -- which it gets
                          WHERE (d.table_name, d.column_name) = (t.table_name, a.attname))
    )
    SELECT 'required_column', coalesce(r.object, t.name),
           CASE WHEN r.object IS NULL THEN 'ok' WHEN r.filled THEN 'advice' ELSE 'blocked' END,
           CASE WHEN r.filled THEN
                    'it takes no null and has no default: the sync cannot insert a row unless a trigger fills it'
                WHEN r.object IS NOT NULL THEN
                    'it takes no null and has no default: the sync could not insert a row' END, NULL
    FROM contact_sync_internal.contact_tables(s) t LEFT JOIN required r USING (name)
    WHERE t.usable AND t.table_name <> 'contact_history'
    ORDER BY t.position, r.attnum
$$;
COMMENT ON FUNCTION contact_sync_internal.check_required_columns(contact_sync_internal.shape) IS
    'what verify says of columns that a new row cannot do without';

CREATE FUNCTION contact_sync_internal.check_unique_indexes(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.contact_tables(s) t WHERE t.usable AND t.unique_key IS NOT NULL
    ), index AS (
        -- With the columns that its expressions read
        SELECT contact.position, contact.table_name, contact.name, contact.relation, contact.unique_key, i.indexrelid,
               i.indpred IS NOT NULL OR contact_sync_internal.may_fill(i.indrelid)
               OR EXISTS (SELECT FROM unnest(k.conexclop) AS operator JOIN pg_operator o ON o.oid = operator
                          WHERE o.oprname <> '=') AS conditional, i.indnullsnotdistinct AS nulls_are_equal, k.conname,
               ARRAY(SELECT a.attnum FROM pg_attribute a
                     WHERE a.attrelid = i.indrelid
                       AND (a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                            OR i.indexprs IS NOT NULL AND EXISTS (
                                SELECT FROM pg_depend d
                                WHERE (d.classid, d.objid) = ('pg_class'::regclass, i.indexrelid)
                                  AND (d.refclassid, d.refobjid, d.refobjsubid)
                                      = ('pg_class'::regclass, i.indrelid, a.attnum)))) AS attnums
        FROM contact
             JOIN pg_index i ON i.indrelid = contact.relation AND (i.indisunique OR i.indisexclusion) AND i.indisready
             LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
                                          AND k.contype IN ('p', 'u', 'x')
    ), judged AS (
        SELECT index.*, columns.names,
               -- A column that is null in a new row, or has a value of its own, lets any number of them in. What it cannot
               -- do without is another check's.
               columns.differs OR columns.names @> index.unique_key AS harmless
        FROM index
             CROSS JOIN LATERAL (
                 SELECT array_agg(a.attname) AS names,
                        bool_or(a.attidentity <> ''
                                OR pg_get_expr(e.adbin, e.adrelid) !~ '^(''|[-(]?[0-9]|true$|false$|NULL|now\(|CURRENT_)'
                                OR NOT a.atthasdef AND (a.attnotnull OR NOT index.nulls_are_equal)
                                   AND a.attname NOT IN ('customer_id', 'method_type', 'phone_number', 'is_preferred')
                        ) IS TRUE AS differs
                 FROM pg_attribute a LEFT JOIN pg_attrdef e ON (e.adrelid, e.adnum) = (a.attrelid, a.attnum)
                 WHERE a.attrelid = index.relation AND a.attnum = ANY (index.attnums)
             ) AS columns
    ), finding AS (
        SELECT j.*,
               CASE WHEN j.table_name = 'contact_preferences' THEN 'it takes one row of those that have the defaults'
                    WHEN 'customer_id' = ANY (j.names) THEN 'it takes one row of a customer, who has a row for each method'
                    WHEN NOT 'phone_number' = ANY (j.names) THEN 'it takes one row of those that have the defaults'
                    WHEN 'method_type' = ANY (j.names) THEN 'it refuses the second of two customers who share a number'
                    ELSE 'it takes one row of a number, and a phone is two methods' END AS problem
        FROM judged j WHERE NOT j.harmless
    )
    SELECT 'unique_index', coalesce(f.indexrelid::regclass::text, contact.name),
           CASE WHEN f.name IS NULL THEN 'ok'
                WHEN f.conditional OR f.names @> '{phone_number,method_type}' THEN 'advice' ELSE 'blocked' END,
           CASE WHEN f.conditional THEN 'rows of the sync that it is about may break it: ' || f.problem ELSE f.problem END,
           CASE WHEN f.conname IS NOT NULL THEN format('ALTER TABLE %s DROP CONSTRAINT %I;', f.name, f.conname)
                WHEN f.name IS NOT NULL THEN format('DROP INDEX %s;', f.indexrelid::regclass) END
    FROM contact LEFT JOIN finding f USING (name)
    ORDER BY contact.position, f.indexrelid::regclass::text
$$;
COMMENT ON FUNCTION contact_sync_internal.check_unique_indexes(contact_sync_internal.shape) IS
    'what verify says of unique indexes that rows of the sync may break';
