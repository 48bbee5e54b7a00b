
-- contact_quarantine: rows that cannot stay move there, whole; none is ever deleted.
--
-- The table stands beside the contact tables it takes rows from and belongs to the owner of customers. It is created
-- when there is a row to move. Which rows cannot stay: those of contact_methods and contact_preferences without
-- customer_id, those of a customer that is not there, and all but one of those that a unique constraint would forbid.

CREATE FUNCTION contact_sync_internal.receivers(s contact_sync_internal.shape, kind "char") RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- Default privileges of the role that creates an object may hand it to anybody.
    SELECT concat_ws(', ', 'PUBLIC', string_agg(DISTINCT quote_ident(role.rolname), ', '))
    FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a JOIN pg_roles role ON role.oid = a.grantee
    WHERE d.defaclobjtype = kind AND d.defaclnamespace IN (0, s.schema)
      AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
      AND role.oid NOT IN (d.defaclrole, s.owner)
$$;
COMMENT ON FUNCTION contact_sync_internal.receivers(contact_sync_internal.shape, "char") IS
    'to whom default privileges hand what is created beside a customers table (r: tables, S: sequences), as SQL';

CREATE FUNCTION contact_sync_internal.quarantine_creation(s contact_sync_internal.shape) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(E'\n',
        format($sql$CREATE TABLE %1$I.contact_quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME %1$I.contact_quarantine_id_seq) PRIMARY KEY,
    source_table pg_catalog.text NOT NULL,
    reason pg_catalog.text NOT NULL,
    quarantined_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    customer pg_catalog.text,
    row_data pg_catalog.jsonb NOT NULL
);
REVOKE ALL ON TABLE %1$I.contact_quarantine FROM %2$s;
REVOKE ALL ON SEQUENCE %1$I.contact_quarantine_id_seq FROM %3$s;
ALTER TABLE %1$I.contact_quarantine ENABLE ROW LEVEL SECURITY;$sql$,
               s.schema_name, contact_sync_internal.receivers(s, 'r'), contact_sync_internal.receivers(s, 'S')),
        format('COMMENT ON TABLE %I.contact_quarantine IS %L;', s.schema_name,
               'rows of contact tables that could not stay there, whole, with the reason'))
$$;
COMMENT ON FUNCTION contact_sync_internal.quarantine_creation(contact_sync_internal.shape) IS 'the SQL that creates contact_quarantine';

CREATE FUNCTION contact_sync_internal.has_unique_key(relation oid, columns name[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- An index is as good as a constraint: a DBA may have made it with CREATE UNIQUE INDEX CONCURRENTLY.
    SELECT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = relation AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
          AND ARRAY(SELECT a.attname FROM pg_attribute a
                    WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                    ORDER BY 1) = columns)
$$;
COMMENT ON FUNCTION contact_sync_internal.has_unique_key(oid, name[]) IS
    'whether a unique index covers exactly these columns (in alphabetical order) in all rows';

CREATE FUNCTION contact_sync_internal.partial_key(relation oid, columns name[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- A condition on the columns themselves (customer_id IS NOT NULL) says nothing of rows that are out of use.
    SELECT min(format('%s WHERE %s', i.indexrelid::regclass, pg_get_expr(i.indpred, i.indrelid)))
    FROM pg_index i
    WHERE i.indrelid = relation AND i.indisunique AND i.indpred IS NOT NULL AND i.indexprs IS NULL
      AND ARRAY(SELECT a.attname FROM pg_attribute a
                WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
                ORDER BY 1) = columns
      AND EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
                    AND d.refobjsubid > 0 AND d.refobjsubid <> ALL (i.indkey::smallint[]))
$$;
COMMENT ON FUNCTION contact_sync_internal.partial_key(oid, name[]) IS
    'a unique index on exactly these columns (in alphabetical order) in some rows alone, those not deleted for example; null where there is none';

CREATE FUNCTION contact_sync_internal.references_to(relation oid)
RETURNS TABLE (condition text, problem text, is_checked boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH family(relation) AS (
        SELECT * FROM contact_sync_internal.family(references_to.relation)
    )
    -- A table that may not be read may hold such rows.
    SELECT CASE WHEN may.read THEN
               format('EXISTS (SELECT 1 FROM %s%I.%I AS referring WHERE %s)', CASE c.relkind WHEN 'r' THEN 'ONLY ' END,
                      n.nspname, c.relname, columns.equal)
               ELSE 'true' END,
           format(CASE WHEN may.read THEN 'rows of table "%s" refer to it by foreign key "%s"'
                       ELSE 'rows of table "%s", which the owner of customers may not read, may refer to it by foreign '
                            'key "%s"' END,
                  contact_sync_internal.plain_name(c.oid), k.conname),
           k.confdeltype IN ('a', 'r')
    FROM family
         JOIN pg_constraint k ON k.confrelid = family.relation AND k.contype = 'f' AND k.conparentid = 0
         JOIN pg_class c ON c.oid = k.conrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         CROSS JOIN LATERAL (SELECT pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(n.oid, 'USAGE')) AS may(read)
         CROSS JOIN LATERAL (
             SELECT string_agg(format('m.%I OPERATOR(%s.%s) referring.%I', referred.attname,
                                      o.oprnamespace::regnamespace, o.oprname, own.attname), ' AND ' ORDER BY key.place)
             FROM unnest(k.confkey, k.conkey, k.conpfeqop) WITH ORDINALITY AS key(referred, own, operator, place)
                  JOIN pg_attribute referred ON referred.attrelid = k.confrelid AND referred.attnum = key.referred
                  JOIN pg_attribute own ON own.attrelid = k.conrelid AND own.attnum = key.own
                  JOIN pg_operator o ON o.oid = key.operator) AS columns(equal)
$$;
COMMENT ON FUNCTION contact_sync_internal.references_to(oid) IS
    'for each foreign key to a table (or its partitions): whether a row, named m, is referred to, as SQL, how to say so, and whether the key itself keeps the row from going';

CREATE FUNCTION contact_sync_internal.referrers(relation oid, moved text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT string_agg(replace(r.problem, 'refer to it', 'refer to them'), '; ' ORDER BY r.problem)
    FROM contact_sync_internal.references_to(relation) r
    WHERE contact_sync_internal.count_rows(format('SELECT count(*) FROM (%s) AS m WHERE %s', moved, r.condition)) <> 0
$$;
COMMENT ON FUNCTION contact_sync_internal.referrers(oid, text) IS
    'the foreign keys by which rows of other tables refer to rows of a table that a query returns; null where none does';

CREATE FUNCTION contact_sync_internal.misplaced(s contact_sync_internal.shape)
RETURNS TABLE ("position" integer, name text, relation oid, reason text, rows bigint, referrers text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.position, t.table_name, t.name, t.relation, t.unique_key, customer_id.attnotnull AS never_null,
               own.type = referred.type AS comparable,
               (SELECT array_agg(a.attname) FROM pg_attribute a
                WHERE a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
               -- Neither a key nor a unique constraint of an inheritance parent is about its children's rows.
               CASE WHEN t.kind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = t.relation)
                    THEN 'ONLY ' ELSE '' END || t.name AS source,
               EXISTS (SELECT FROM pg_constraint k
                       WHERE k.conrelid = t.relation AND k.contype = 'f' AND k.convalidated
                         AND k.conkey = ARRAY[customer_id.attnum]
                         AND k.confrelid = s.customers AND k.confkey = ARRAY[s.id]) AS refers
        FROM contact_sync_internal.contact_tables(s) t
             JOIN pg_attribute customer_id ON customer_id.attrelid = t.relation AND customer_id.attname = 'customer_id'
             JOIN pg_attribute id ON id.attrelid = s.customers AND id.attnum = s.id
             CROSS JOIN LATERAL contact_sync_internal.base_type(customer_id.atttypid, customer_id.atttypmod) AS own
             CROSS JOIN LATERAL contact_sync_internal.base_type(id.atttypid, id.atttypmod) AS referred
        WHERE t.usable
    ), present_number AS (
        -- For each kind of method: whether the row has the number that the customer has now.
        SELECT string_agg(format(
                   E'\n'
                   '                   WHEN kept.method_type::pg_catalog.text OPERATOR(pg_catalog.=) ANY (%L)\n'
                   '                   THEN EXISTS (SELECT 1 FROM %s AS customer\n'
                   '                                WHERE customer.%I %s kept.customer_id\n'
                   '                                  AND contact_sync.number(customer.%I::pg_catalog.text)\n'
                   '                                      COLLATE pg_catalog."C" OPERATOR(pg_catalog.=)\n'
                   '                                      contact_sync.number(kept.phone_number::pg_catalog.text))',
                   methods, s.name, s.id_column, s.id_equality, column_name), '' ORDER BY methods) AS cases
        FROM (SELECT array_agg(m.method), m.column_name
              FROM contact_sync_internal.methods_of(s) m GROUP BY m.column_name) AS number(methods, column_name)
    ), wrong AS (
        SELECT contact.*, 1 AS step, 'customer_id is null' AS reason, NULL AS ranking,
               'moved.customer_id IS NULL' AS condition,
               format('SELECT count(*) FROM %s WHERE customer_id IS NULL', source) AS counting
        FROM contact WHERE table_name <> 'contact_history' AND NOT never_null

        UNION ALL
        SELECT contact.*, 2, 'no such customer', NULL, condition,
               format('SELECT count(*) FROM %s AS moved WHERE %s', source, condition)
        FROM contact
             CROSS JOIN LATERAL format(
                 E'moved.customer_id IS NOT NULL\n'
                 '      AND NOT EXISTS (SELECT 1 FROM %s AS customer\n'
                 '                      WHERE customer.%I %s moved.customer_id)',
                 s.name, s.id_column, s.id_equality) AS condition
        WHERE comparable AND NOT refers

        UNION ALL
        SELECT contact.*, 3, 'duplicate',
               -- Of a large table few rows are to be ranked.
               format(E'repeated AS (\n'
                      '    SELECT kept.customer_id\n'
                      '    FROM %3$s AS kept\n'
                      '    WHERE kept.%4$s\n'
                      '    GROUP BY kept.%1$s\n'
                      '    HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1\n'
                      '), ranked AS (\n'
                      '    SELECT kept.tableoid AS part, kept.ctid AS place,\n'
                      '           pg_catalog.row_number() OVER (\n'
                      '               PARTITION BY kept.%1$s\n'
                      '               ORDER BY %2$s) AS rank\n'
                      '    FROM %3$s AS kept\n'
                      '    WHERE kept.%4$s\n'
                      '      AND EXISTS (SELECT 1 FROM repeated WHERE repeated.customer_id %5$s kept.customer_id)\n'
                      '), ',
                      array_to_string(unique_key, ', kept.'),
                      concat_ws(E',\n                   ',
                          CASE WHEN table_name = 'contact_methods' AND 'phone_number' = ANY (columns)
                               THEN (SELECT format(E'CASE%s\n                   ELSE false END DESC', cases)
                                     FROM present_number WHERE cases IS NOT NULL) END,
                          CASE WHEN 'updated_at' = ANY (columns) THEN 'kept.updated_at DESC NULLS LAST' END,
                          CASE WHEN 'created_at' = ANY (columns) THEN 'kept.created_at DESC NULLS LAST' END,
                          'kept.tableoid, kept.ctid DESC'),
                      source, array_to_string(unique_key, ' IS NOT NULL AND kept.') || ' IS NOT NULL',
                      s.id_equality),
               E'moved.tableoid OPERATOR(pg_catalog.=) ranked.part\n'
               '      AND moved.ctid OPERATOR(pg_catalog.=) ranked.place AND ranked.rank OPERATOR(pg_catalog.>) 1',
               format('SELECT coalesce(sum(rows - 1), 0)::bigint FROM (SELECT count(*) AS rows FROM %s WHERE %s IS NOT NULL '
                      'GROUP BY %s HAVING count(*) > 1) AS repeated',
                      source, array_to_string(unique_key, ' IS NOT NULL AND '), array_to_string(unique_key, ', '))
        FROM contact
        WHERE unique_key <@ columns AND comparable AND NOT contact_sync_internal.has_unique_key(relation, unique_key)
          AND contact_sync_internal.partial_key(relation, unique_key) IS NULL
    )
    SELECT wrong.position, wrong.name, wrong.relation, wrong.reason, found.rows,
           contact_sync_internal.referrers(
               wrong.relation,
               CASE WHEN wrong.ranking IS NOT NULL THEN 'WITH ' || rtrim(wrong.ranking, ', ') || ' ' ELSE '' END
               || format('SELECT moved.* FROM %s AS moved%s WHERE %s', wrong.source,
                         CASE WHEN wrong.ranking IS NOT NULL THEN ', ranked' END, wrong.condition)),
           format(E'WITH %sgone AS (\n'
                  '    DELETE FROM %s AS moved%s\n'
                  '    WHERE %s\n'
                  '    RETURNING moved.customer_id, pg_catalog.to_jsonb(moved.*) AS row_data\n)\n'
                  'INSERT INTO %I.contact_quarantine (source_table, reason, customer, row_data)\n'
                  '    SELECT %L, %L, gone.customer_id, gone.row_data FROM gone;',
                  wrong.ranking, wrong.source, CASE WHEN wrong.ranking IS NOT NULL THEN ' USING ranked' END,
                  wrong.condition, s.schema_name, wrong.table_name, wrong.reason)
    FROM wrong CROSS JOIN LATERAL contact_sync_internal.count_rows(wrong.counting) AS found(rows)
    WHERE found.rows > 0
    ORDER BY wrong.position, wrong.step
$$;
COMMENT ON FUNCTION contact_sync_internal.misplaced(contact_sync_internal.shape) IS
    'the rows of contact tables that cannot stay, how many and why, with the SQL that moves them to contact_quarantine';

CREATE FUNCTION contact_sync_internal.quarantine_of(s contact_sync_internal.shape)
RETURNS TABLE (name text, relation oid, owned boolean, row_security boolean, acl aclitem[], usable boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%I.contact_quarantine', s.schema_name), c.oid, c.relowner = s.owner, c.relrowsecurity, c.relacl,
           c.relkind IN ('r', 'p')
           AND (SELECT count(*) = 4 FROM pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped
                  AND (a.attname, a.atttypid) IN (('source_table', 'text'::regtype), ('reason', 'text'::regtype),
                                                  ('customer', 'text'::regtype), ('row_data', 'jsonb'::regtype)))
    FROM (VALUES (1)) AS one LEFT JOIN pg_class c ON c.relnamespace = s.schema AND c.relname = 'contact_quarantine'
$$;
COMMENT ON FUNCTION contact_sync_internal.quarantine_of(contact_sync_internal.shape) IS
    'what there is of the name contact_quarantine beside a customers table, with nulls where there is nothing';

CREATE FUNCTION contact_sync_internal.check_quarantine_table(s contact_sync_internal.shape, needed boolean)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'quarantine', name,
           CASE WHEN NOT needed AND (relation IS NULL OR NOT owned OR NOT usable) THEN 'ok'
                WHEN relation IS NULL THEN CASE WHEN contact_sync_internal.may_create(s) THEN 'fix' ELSE 'blocked' END
                WHEN NOT usable OR NOT owned THEN 'blocked'
                WHEN NOT row_security THEN 'fix'
                ELSE 'ok' END,
           CASE WHEN NOT needed AND (relation IS NULL OR NOT owned OR NOT usable) THEN NULL
                WHEN relation IS NULL THEN 'there are rows to be moved to this table, and it is missing'
                    || CASE WHEN contact_sync_internal.may_create(s) THEN ''
                            ELSE '; the owner of customers may not create it' END
                WHEN NOT usable THEN 'it is not the table that rows can be moved to: rename it or drop it'
                WHEN NOT owned THEN 'it does not belong to the owner of customers: rename it or drop it'
                WHEN NOT row_security THEN 'row security is off' END,
           CASE WHEN relation IS NULL AND contact_sync_internal.may_create(s)
                THEN contact_sync_internal.quarantine_creation(s)
                WHEN relation IS NULL
                THEN format('GRANT CREATE, USAGE ON SCHEMA %I TO %s;', s.schema_name, s.owner::regrole)
                WHEN NOT usable OR NOT owned THEN NULL
                ELSE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', name) END
    FROM contact_sync_internal.quarantine_of(s)
$$;
COMMENT ON FUNCTION contact_sync_internal.check_quarantine_table(contact_sync_internal.shape, boolean) IS
    'what verify says of contact_quarantine, if there are rows to be moved to it, or not';

CREATE FUNCTION contact_sync_internal.unwanted_obstacle(s contact_sync_internal.shape, OUT problem text, OUT fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH involved AS MATERIALIZED (
        SELECT t.relation, t.name, t.kind, '4' AS event
        FROM contact_sync_internal.contact_tables(s) t WHERE t.table_name = 'contact_methods'
        UNION ALL
        SELECT q.relation, q.name, NULL, '3' FROM contact_sync_internal.quarantine_of(s) q
    )
    SELECT found.problem, found.fix
    FROM (SELECT 1, format('%s: %s', q.object, q.problem), q.fix
          FROM contact_sync_internal.check_quarantine_table(s, true) q
          WHERE q.status = 'blocked'
          UNION ALL
          -- What a rule makes of a statement is anybody's guess.
          SELECT 2, format('%s: rule %I would rewrite the statement that moves rows', involved.name, r.rulename),
                 format('DROP RULE %I ON %s;', r.rulename, involved.name)
          FROM involved JOIN pg_rewrite r ON r.ev_class = involved.relation AND r.ev_type::text = involved.event
          UNION ALL
          -- A row is moved with the columns that the parent has.
          SELECT 3, format('%s: inheritance child %s has columns of its own', involved.name, i.inhrelid::regclass), NULL
          FROM involved JOIN pg_inherits i ON i.inhparent = involved.relation AND involved.kind = 'r'
          WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.inhrelid AND a.attislocal AND a.attnum > 0
                                                         AND NOT a.attisdropped)
          ) AS found(step, problem, fix)
    ORDER BY found.step, found.problem LIMIT 1
$$;
COMMENT ON FUNCTION contact_sync_internal.unwanted_obstacle(contact_sync_internal.shape) IS
    'why unwanted contact methods cannot be moved to contact_quarantine, with the SQL that helps; null where they can';

CREATE FUNCTION contact_sync_internal.check_quarantine(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH misplaced AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.misplaced(s)
    ), quarantine AS MATERIALIZED (
        SELECT * FROM contact_sync_internal.quarantine_of(s)
    ), finding AS (
        SELECT 1 AS step, 0 AS position, q.check_name, q.object, q.status, q.problem, q.fix
        FROM contact_sync_internal.check_quarantine_table(s, EXISTS (SELECT FROM misplaced)) q

        UNION ALL
        SELECT 2, 0, 'quarantine', name, 'advice', format('%s has rights on it, and it holds contact data', role),
               format('REVOKE ALL ON TABLE %s FROM %s;', name, role)
        FROM quarantine
             CROSS JOIN LATERAL (SELECT DISTINCT coalesce(quote_ident(rolname), 'PUBLIC') AS role
                                 FROM aclexplode(acl) a LEFT JOIN pg_roles ON pg_roles.oid = a.grantee
                                 WHERE a.grantee <> s.owner) AS granted
        WHERE usable AND owned

        UNION ALL
        -- What a rule makes of a statement is anybody's guess.
        SELECT 3, misplaced.position, 'misplaced_rows', misplaced.name,
               CASE WHEN rules IS NULL AND misplaced.referrers IS NULL THEN 'fix' ELSE 'blocked' END,
               format('rows that cannot stay and move to contact_quarantine: %s (%s)', misplaced.rows, misplaced.reason)
                   || coalesce('; ' || misplaced.referrers, '')
                   || coalesce('; drop first what would rewrite the statement: ' || rules, ''),
               CASE WHEN rules IS NULL AND misplaced.referrers IS NULL THEN misplaced.fix END
        FROM misplaced CROSS JOIN quarantine
             CROSS JOIN LATERAL (
                 SELECT string_agg(format('rule %I on %s', r.rulename, r.ev_class::regclass), ', ' ORDER BY r.rulename)
                 FROM pg_rewrite r WHERE r.ev_class IN (misplaced.relation, quarantine.relation)) AS found(rules)

        UNION ALL
        SELECT 3, t.position, 'misplaced_rows', t.name, 'ok', NULL, NULL
        FROM contact_sync_internal.contact_tables(s) t
        WHERE t.usable AND NOT EXISTS (SELECT FROM misplaced WHERE misplaced.relation = t.relation)
    )
    SELECT check_name, object, status, problem, CASE WHEN status <> 'ok' THEN fix END
    FROM finding ORDER BY step, position
$$;
COMMENT ON FUNCTION contact_sync_internal.check_quarantine(contact_sync_internal.shape) IS
    'what verify says of rows that cannot stay, and of the table they are moved to';
