
-- Checks of the contact tables: their kind, owner, columns, keys, code, and the grants of those that are missing.
-- The foreign keys stand apart: they lock the customers table, and whatever does comes last.

CREATE FUNCTION contact_sync_internal.creation(s contact_sync_internal.shape, contact_table name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH definition AS (
        SELECT string_agg(concat_ws(' ', E'\n   ', quote_ident(column_name), type, 'DEFAULT ' || default_value,
                                    constraints), ',' ORDER BY position) AS columns
        FROM contact_sync_internal.contact_columns(s) WHERE table_name = contact_table
    )
    SELECT concat_ws(E'\n',
        -- Rows whose number changes stay where they are and their indexes untouched, if the page has room for both
        -- versions of all of them.
        format(E'CREATE %sTABLE %s (%s%s\n)%s;', CASE s.persistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, t.name,
               definition.columns, E',\n    UNIQUE (' || array_to_string(t.unique_key, ', ') || ')',
               CASE t.table_name WHEN 'contact_methods' THEN ' WITH (fillfactor = 50)' END),
        format('REVOKE ALL ON TABLE %s FROM %s;', t.name, contact_sync_internal.receivers(s, 'r')),
        CASE WHEN t.table_name = 'contact_history'
             THEN format('CREATE INDEX ON %s (customer_id, "timestamp");', t.name) END,
        format('COMMENT ON TABLE %s IS %L;', t.name, t.comment))
    FROM definition, contact_sync_internal.contact_tables(s) t
    WHERE t.table_name = contact_table
$$;
COMMENT ON FUNCTION contact_sync_internal.creation(contact_sync_internal.shape, name) IS 'the SQL that creates a contact table';

CREATE FUNCTION contact_sync_internal.check_tables(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.*, owner.rolname AS owner_name,
               CASE WHEN t.usable THEN contact_sync_internal.holds_rows(t.relation) END AS filled,
               -- A table with as many columns of another kind as of ours is another application's.
               (SELECT count(*) FILTER (WHERE w.column_name IS NULL) >= count(w.column_name)
                FROM pg_attribute a
                     LEFT JOIN contact_sync_internal.contact_columns(s) w
                               ON (w.table_name, w.column_name) = (t.table_name, a.attname)
                WHERE a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped) AS is_of_others
        FROM contact_sync_internal.contact_tables(s) t LEFT JOIN pg_roles owner ON owner.oid = t.owner
    ), present AS MATERIALIZED (
        SELECT contact.table_name, a.attname AS column_name, a.attnum, a.atttypid, a.atttypmod
        FROM contact JOIN pg_attribute a ON a.attrelid = contact.relation AND a.attnum > 0 AND NOT a.attisdropped
        WHERE contact.usable
    ), wanted AS MATERIALIZED (
        SELECT contact.position AS table_position, contact.name, contact.relation, contact.kind, contact.filled,
               contact.is_of_others,
               w.table_name, w.position, w.column_name, w.type, w.default_value, w.constraints, w.needed,
               p.attnum, p.atttypid, p.atttypmod
        FROM contact JOIN contact_sync_internal.contact_columns(s) w USING (table_name)
             LEFT JOIN present p USING (table_name, column_name)
        WHERE contact.usable
    ), unique_key AS MATERIALIZED (
        SELECT contact.position AS table_position, contact.table_name, contact.name, contact.relation,
               array_to_string(contact.unique_key, ', ') AS columns,
               contact_sync_internal.has_unique_key(contact.relation, contact.unique_key) AS exists,
               contact_sync_internal.partial_key(contact.relation, contact.unique_key) AS partial,
               -- Its columns must hold the partition key.
               EXISTS (SELECT FROM pg_partitioned_table p CROSS JOIN unnest(p.partattrs::smallint[]) AS key(attnum)
                       WHERE p.partrelid = contact.relation
                         AND NOT EXISTS (SELECT FROM pg_attribute a
                                         WHERE a.attrelid = p.partrelid AND a.attnum = key.attnum
                                           AND a.attname = ANY (contact.unique_key))) AS partitioned
        FROM contact WHERE contact.usable AND contact.unique_key IS NOT NULL
    ), code AS (
        -- Triggers that others may have put there, because they hold TRIGGER, or REFERENCES and a foreign key that the
        -- sync's writes cascade to: their functions would run with the owner's rights, and so they raise an error. What a
        -- foreign key does it does as the other table's owner; before PostgreSQL 18 the AFTER triggers of that were not.
        WITH RECURSIVE written(position, name, relation, is_contact) AS (
            SELECT position, name, relation, true FROM contact WHERE usable
            UNION ALL
            SELECT 4, format('%I.%I', s.schema_name, c.relname), c.oid, true
            FROM pg_class c
            WHERE c.relnamespace = s.schema AND c.relname = 'contact_quarantine' AND c.relkind IN ('r', 'p')
              AND c.relowner = s.owner
            UNION
            SELECT written.position, written.name, next.relation, written.is_contact AND next.is_child
            FROM written
                 CROSS JOIN LATERAL (
                     SELECT i.inhrelid, true FROM pg_inherits i WHERE i.inhparent = written.relation
                     UNION ALL
                     SELECT k.conrelid, false FROM pg_constraint k
                     WHERE k.contype = 'f' AND k.confrelid = written.relation
                       AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
                 ) AS next(relation, is_child)
        )
        SELECT DISTINCT w.position AS table_position, w.name,
               format('trigger %I%s', t.tgname,
                      CASE WHEN NOT w.is_contact THEN format(' of %s', w.relation::regclass) ELSE '' END)
               || CASE WHEN untrusted.function
                       THEN format(': its function %s belongs to a role without the rights of %s, whose rights it would '
                                   'have; make it SECURITY DEFINER, or transfer it', f.oid::regprocedure,
                                   s.owner::regrole)
                       ELSE format(': its condition could run code with the rights of %s; put it into the function',
                                   s.owner::regrole) END AS problem
        FROM written w
             JOIN pg_trigger t ON t.tgrelid = w.relation AND NOT t.tgisinternal AND t.tgenabled <> 'D'
             JOIN pg_proc f ON f.oid = t.tgfoid
             JOIN pg_class c ON c.oid = w.relation
             CROSS JOIN LATERAL (
                 SELECT NOT f.prosecdef AND NOT pg_has_role(f.proowner, s.owner, 'USAGE')
                        AND (w.is_contact OR c.relowner = s.owner
                             OR t.tgtype & 66 = 0 AND current_setting('server_version_num')::integer < 180000),
                        w.is_contact AND NOT coalesce(contact_sync_internal.is_computation(
                            t.tgqual, NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
                                                  WHERE a.attrelid = w.relation AND a.attnum > 0
                                                    AND y.oid >= 12000 AND y.typtype <> 'e')), true)
             ) AS untrusted(function, condition)
        WHERE untrusted.function OR untrusted.condition
    ), finding AS (
        SELECT 1 AS step, position AS table_position, 0 AS position, 'contact_table' AS check_name, name AS object,
               CASE WHEN relation IS NULL THEN 'fix'
                    WHEN kind NOT IN ('r', 'p') OR s.persistence = 'u' AND persistence = 'p' THEN 'blocked'
                    ELSE 'ok' END AS status,
               CASE WHEN relation IS NULL THEN 'the table is missing'
                    WHEN kind NOT IN ('r', 'p') THEN 'it is not a table: rename it or drop it'
                    WHEN s.persistence = 'u' AND persistence = 'p' THEN
                        format('it is logged and %s is not: it cannot refer to that', s.name) END AS problem,
               CASE WHEN relation IS NULL THEN contact_sync_internal.creation(s, table_name) END AS fix
        FROM contact

        UNION ALL
        -- Anybody who may create tables could plant one: only who has the rights of customers' owner anyway may give his.
        SELECT 2, position, 0, 'contact_owner', name,
               CASE WHEN owner = s.owner THEN 'ok'
                    WHEN trusted AND pg_has_role(s.owner, owner, 'USAGE') THEN 'fix' ELSE 'blocked' END,
               CASE WHEN owner <> s.owner THEN
                   format('its owner is %I, that of %s is %I: the sync does not write it',
                          owner_name, s.name, mine.rolname)
                   || CASE WHEN trusted THEN '' ELSE ': rename it or drop it' END END,
               CASE WHEN owner <> s.owner AND trusted THEN format('ALTER TABLE %s OWNER TO %I;', name, mine.rolname) END
        FROM contact JOIN pg_roles mine ON mine.oid = s.owner
             CROSS JOIN LATERAL pg_has_role(owner, s.owner, 'USAGE') AS trust(trusted)
        WHERE kind IN ('r', 'p')

        UNION ALL
        SELECT 3, table_position, 0, 'untrusted_trigger', name, 'blocked', problem, NULL
        FROM code
        UNION ALL
        SELECT 3, position, 0, 'untrusted_trigger', name, 'ok', NULL, NULL
        FROM contact WHERE usable AND NOT EXISTS (SELECT FROM code WHERE code.name = contact.name)

        UNION ALL
        SELECT 4, table_position, position, 'contact_column', format('%s.%I', name, column_name),
               CASE WHEN needed AND (filled OR is_of_others) THEN 'blocked' ELSE 'fix' END,
               CASE WHEN needed AND filled THEN 'the column is missing, and the rows there are say nothing without it'
                    WHEN needed AND is_of_others THEN
                        'the column is missing, and half of its columns or more are unknown to contact_sync: '
                        'rename the table if it is another application''s'
                    ELSE 'the column is missing' END,
               format('ALTER TABLE %s ADD COLUMN %s;', name,
                      concat_ws(' ', quote_ident(column_name), type, 'DEFAULT ' || default_value,
                                -- Whoever inserts rows without it can go on to do so.
                                CASE WHEN constraints = 'PRIMARY KEY'
                                     -- a partitioned table's would have to hold its partition key
                                     THEN CASE WHEN kind = 'p'
                                                    OR EXISTS (SELECT FROM pg_index i
                                                               WHERE i.indrelid = relation AND i.indisprimary)
                                               THEN 'NOT NULL' ELSE constraints END
                                     ELSE nullif(regexp_replace(constraints, '^NOT NULL ?', ''), '') END))
        FROM wanted WHERE attnum IS NULL
        UNION ALL
        SELECT 4, position, 0, 'contact_column', name, 'ok', NULL, NULL
        FROM contact
        WHERE usable AND NOT EXISTS (SELECT FROM wanted WHERE wanted.name = contact.name AND attnum IS NULL)

        UNION ALL
        SELECT 5, table_position, position, 'contact_default', format('%s.%I', name, column_name), 'fix',
               'the column has no default',
               format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s;', name, column_name, default_value)
        FROM wanted JOIN contact_sync_internal.missing_defaults(s) d USING (table_name, position, column_name, default_value)

        UNION ALL
        SELECT 6, table_position, position, 'customer_id_type', format('%s.%I', name, column_name),
               CASE WHEN same THEN 'ok' ELSE 'blocked' END,
               CASE WHEN NOT same THEN format('it is of type %s, %s.%I is of type %s', format_type(atttypid, atttypmod),
                                              s.name, s.id_column, format_type(id_type, id_modifier)) END, NULL
        FROM wanted
             CROSS JOIN LATERAL (SELECT a.atttypid AS id_type, a.atttypmod AS id_modifier
                                 FROM pg_attribute a WHERE a.attrelid = s.customers AND a.attnum = s.id) AS id
             CROSS JOIN LATERAL (SELECT own.type = referred.type
                                        AND (own.width IS NULL OR referred.width <= own.width) IS TRUE AS same
                                 FROM contact_sync_internal.base_type(atttypid, atttypmod) AS own,
                                      contact_sync_internal.base_type(id_type, id_modifier) AS referred) AS comparison
        WHERE column_name = 'customer_id' AND attnum IS NOT NULL

        UNION ALL
        SELECT 7, table_position, position, 'phone_number_type', format('%s.%I', name, column_name),
               CASE WHEN NOT textual OR narrow AND used_by IS NOT NULL THEN 'blocked'
                    WHEN narrow THEN 'fix' ELSE 'ok' END,
               CASE WHEN NOT textual THEN 'a number is text, and this column is not'
                    WHEN narrow THEN 'it is narrower than the columns it copies'
                        || coalesce('; drop first what depends on its type: ' || used_by, '') END,
               format('ALTER TABLE %s ALTER COLUMN phone_number TYPE pg_catalog.text;', name)
        FROM wanted
             CROSS JOIN LATERAL (
                 SELECT contact_sync_internal.is_text(atttypid) AS textual,
                        own.width IS NOT NULL AND EXISTS (
                            SELECT FROM pg_attribute a, contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS copied
                            WHERE a.attrelid = s.customers AND a.attnum IN (s.phone, s.whatsapp)
                              AND (copied.width IS NULL OR copied.width > own.width)) AS narrow
                 FROM contact_sync_internal.base_type(atttypid, atttypmod) AS own) AS comparison
             CROSS JOIN LATERAL contact_sync_internal.type_users(relation, attnum) AS dependents(used_by)
        WHERE column_name = 'phone_number' AND attnum IS NOT NULL

        UNION ALL
        SELECT 9, table_position, 0, 'unique_key', format('%s (%s)', name, columns),
               CASE WHEN u.exists THEN 'ok' WHEN u.partitioned OR u.partial IS NOT NULL THEN 'blocked' ELSE 'fix' END,
               CASE WHEN NOT u.exists THEN 'the unique constraint is missing'
                   || CASE WHEN u.partitioned THEN ', and the table is partitioned by something else'
                           WHEN u.partial IS NOT NULL THEN
                               ': this table keeps more rows than one on purpose, by index ' || u.partial
                           ELSE '' END END,
               format('ALTER TABLE %s ADD UNIQUE (%s);', name, columns)
        FROM unique_key u

        UNION ALL
        -- Existing tables have one of their own, as a rule.
        SELECT 10, position, 0, 'touch_trigger', name,
               CASE WHEN touched THEN 'ok' ELSE 'fix' END,
               CASE WHEN touched THEN NULL WHEN asleep IS NOT NULL THEN 'the trigger that keeps updated_at is disabled'
                    ELSE 'no trigger keeps updated_at' END,
               CASE WHEN asleep IS NOT NULL THEN format('ALTER TABLE %s ENABLE TRIGGER %I;', name, asleep)
                    ELSE format(E'CREATE TRIGGER touch_updated_at BEFORE UPDATE ON %s\n'
                                '    FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();', name) END
        FROM contact
             CROSS JOIN LATERAL (
                 -- Row, before, update. A trigger of somebody else's is his to disable.
                 SELECT count(*) FILTER (WHERE t.tgenabled IN ('O', 'A') OR NOT ours) > 0 AS touched,
                        min(t.tgname::text) FILTER (WHERE ours) AS asleep
                 FROM pg_trigger t CROSS JOIN LATERAL contact_sync_internal.is_ours(t.tgfoid) AS mine(ours)
                 WHERE t.tgrelid = contact.relation AND t.tgtype & 19 = 19
                   AND (NOT t.tgisinternal OR t.tgparentid <> 0)) AS keeper
        WHERE table_name <> 'contact_history' AND (relation IS NULL OR usable)

        UNION ALL
        -- Who may read or write customers may do the same with contact data, in a table that attach creates or created;
        -- no grant options, nothing else.
        SELECT 11, position, 0, 'grants', name, CASE WHEN missing IS NULL THEN 'ok' ELSE 'fix' END,
               CASE WHEN missing IS NULL THEN NULL
                    WHEN relation IS NULL THEN format('the table is to be granted to whom %s is', s.name)
                    ELSE format('whoever has rights on %s is to have them here', s.name) END, missing
        FROM contact
             LEFT JOIN pg_class created_table ON created_table.oid = contact.relation
             CROSS JOIN LATERAL (
                 SELECT string_agg(format('GRANT %s ON TABLE %s TO %s;', privileges, name, grantee), E'\n'
                                   ORDER BY grantee) AS missing
                 FROM (SELECT coalesce(quote_ident(role.rolname), 'PUBLIC') AS grantee,
                              string_agg(DISTINCT a.privilege_type, ', ') AS privileges
                       FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
                            LEFT JOIN pg_roles role ON role.oid = a.grantee
                       WHERE c.oid = s.customers AND a.grantee <> s.owner
                         AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                         AND NOT EXISTS (SELECT FROM aclexplode(created_table.relacl) b
                                         WHERE (b.grantee, b.privilege_type) = (a.grantee, a.privilege_type))
                       GROUP BY role.rolname) AS granted) AS granting
        WHERE relation IS NULL AND missing IS NOT NULL OR usable AND created
    )
    SELECT check_name, object, status, problem,
           CASE WHEN status IN ('fix', 'advice') OR check_name = 'contact_owner' THEN fix END
    FROM finding
    ORDER BY step, table_position, position, problem
$$;
COMMENT ON FUNCTION contact_sync_internal.check_tables(contact_sync_internal.shape) IS 'what verify says of the contact tables';

CREATE FUNCTION contact_sync_internal.check_foreign_keys(s contact_sync_internal.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.* FROM contact_sync_internal.contact_tables(s) t WHERE t.relation IS NULL OR t.usable
    ), foreign_key AS MATERIALIZED (
        SELECT contact.name, k.conname, k.condeferrable, k.condeferred, obj_description(k.oid, 'pg_constraint') AS comment,
               k.confrelid = s.customers AND k.confkey = ARRAY[s.id] AS refers,
               deletion.right AND k.confupdtype = 'c' AND enforced AS cascades,
               CASE WHEN deletion.right AND k.confdeltype = 'n' THEN 'SET NULL' ELSE 'CASCADE' END AS on_delete,
               concat_ws(' and ',
                         CASE WHEN NOT enforced THEN 'ENFORCED: it does nothing' END,
                         CASE WHEN NOT deletion.right THEN 'ON DELETE CASCADE: a customer cannot go' END,
                         CASE WHEN k.confupdtype <> 'c' THEN 'ON UPDATE CASCADE: an id cannot change' END) AS lacks
        FROM contact
             JOIN pg_attribute a ON a.attrelid = contact.relation AND a.attname = 'customer_id' AND NOT a.attisdropped
             JOIN pg_constraint k ON k.conrelid = contact.relation AND k.contype = 'f' AND k.conparentid = 0
                                     AND k.conkey = ARRAY[a.attnum]
             CROSS JOIN LATERAL contact_sync_internal.is_enforced(k.oid) AS enforcement(enforced)
             -- History may be kept longer than its customer.
             CROSS JOIN LATERAL (
                 SELECT k.confdeltype = 'c'
                        OR contact.table_name = 'contact_history' AND k.confdeltype = 'n' AND NOT a.attnotnull
             ) AS deletion("right")
    ), definition AS (
        SELECT contact.name,
               format(E'FOREIGN KEY (customer_id)\n    REFERENCES %s (%I) ON DELETE ', s.name, s.id_column) AS head,
               -- Rows that are there are checked later, without a lock that keeps writers out.
               CASE WHEN contact.kind = 'r' AND contact_sync_internal.holds_rows(contact.relation)
                    THEN ' NOT VALID' ELSE '' END AS tail
        FROM contact
    ), made_anew AS (
        -- Other tools know a foreign key by its name, and count on its being deferrable.
        SELECT f.name, string_agg(
                   format(E'ALTER TABLE %s DROP CONSTRAINT %I,\n    ADD CONSTRAINT %2$I %s%s ON UPDATE CASCADE%s%s;',
                          f.name, f.conname, d.head, f.on_delete,
                          CASE WHEN f.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED'
                               WHEN f.condeferrable THEN ' DEFERRABLE' ELSE '' END, d.tail)
                   || CASE WHEN f.comment IS NOT NULL
                           THEN format(E'\nCOMMENT ON CONSTRAINT %I ON %s IS %L;', f.conname, f.name, f.comment)
                           ELSE '' END,
                   E'\n' ORDER BY f.conname) AS fix
        FROM foreign_key f JOIN definition d USING (name)
        WHERE f.refers AND NOT f.cascades GROUP BY f.name
    )
    SELECT 'foreign_key', format('%s (customer_id)', contact.name), state.status,
           CASE WHEN strangers IS NOT NULL THEN
                    format('it refers to another table or column than %s.%I: drop constraint %s first',
                           s.name, s.id_column, strangers)
                WHEN s.inherited AND right_one IS NULL AND wrong IS NULL THEN
                    'no foreign key can refer to customers in the inheritance children of ' || s.name
                    || ': a deleted customer''s contact rows stay'
                WHEN s.inherited THEN
                    'the foreign key refuses the contact rows of customers in the inheritance children of ' || s.name
                WHEN right_one IS NULL AND wrong IS NULL THEN 'the foreign key is missing'
                WHEN wrong IS NOT NULL THEN
                    'the foreign key lacks ' || wrong END,
           CASE WHEN s.inherited THEN
                    (SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I;', f.name, f.conname), E'\n'
                                       ORDER BY f.conname)
                     FROM foreign_key f WHERE f.name = contact.name AND f.refers)
                WHEN state.status = 'fix' THEN
                    coalesce((SELECT m.fix FROM made_anew m WHERE m.name = contact.name),
                             (SELECT format('ALTER TABLE %s ADD %sCASCADE ON UPDATE CASCADE%s;', d.name, d.head, d.tail)
                              FROM definition d WHERE d.name = contact.name)) END
    FROM contact
         CROSS JOIN LATERAL (
             SELECT min(f.conname::text) FILTER (WHERE f.refers AND f.cascades) AS right_one,
                    min(f.lacks) FILTER (WHERE f.refers AND NOT f.cascades) AS wrong,
                    string_agg(quote_ident(f.conname), ', ' ORDER BY f.conname) FILTER (WHERE NOT f.refers) AS strangers
             FROM foreign_key f WHERE f.name = contact.name) AS found
         CROSS JOIN LATERAL (
             SELECT CASE WHEN strangers IS NOT NULL THEN 'blocked'
                         WHEN s.inherited THEN 'advice'
                         WHEN right_one IS NULL OR wrong IS NOT NULL THEN 'fix'
                         ELSE 'ok' END AS status) AS state
    ORDER BY contact.position
$$;
COMMENT ON FUNCTION contact_sync_internal.check_foreign_keys(contact_sync_internal.shape) IS
    'what verify says of the foreign keys from the contact tables to customers';
