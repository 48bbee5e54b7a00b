# What the triggers cost, counted rather than timed: XIDs, WAL records and pages looked at do not depend on the
# machine's mood.  They are compared with those of what a careful application would do itself, in one statement and
# without triggers.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestModule;

my $node = PostgreSQL::Test::Cluster->new('cost');
$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');    # nobody else takes XIDs or writes
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION contact_sync; CREATE EXTENSION pg_walinspect');

# Three schemas with the same tables and rows, of which one has no triggers on customers.  Pages have room: where a row
# goes is then the same for all.
my $customers = 1000;
my %attach = (
	by_statement => who_acts('statement'),
	by_row => who_acts('statement') . who_acts('row'),
	by_hand => q{SELECT contact_sync.attach('customers');
		SELECT format('DROP TRIGGER %I ON customers', tgname) FROM pg_trigger
		WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal \gexec
	});
for my $schema (sort keys %attach)
{
	$node->safe_psql('postgres', qq{
		CREATE SCHEMA $schema;
		SET search_path = $schema;
		CREATE TABLE customers (id bigint PRIMARY KEY, name text, phone text, whatsapp text) WITH (fillfactor = 30);
		$attach{$schema}
;		INSERT INTO customers SELECT n, 'before', n, n + 1000000 FROM generate_series(1, $customers) AS n;
		INSERT INTO contact_preferences (customer_id) SELECT id FROM customers ON CONFLICT DO NOTHING;
		INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
			SELECT id, method, number, method = 'whatsapp'
			FROM customers CROSS JOIN LATERAL
				 (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone)) AS w(method, number)
			ON CONFLICT DO NOTHING});
}

# cost SCHEMA, STATEMENT: what it costs a session that has run it once before.  :n in it is another number each time.
sub cost
{
	my ($schema, $statement) = @_;
	my $pages = qq{(SELECT sum(coalesce(heap_blks_hit, 0) + coalesce(heap_blks_read, 0) + coalesce(idx_blks_hit, 0)
		+ coalesce(idx_blks_read, 0)) FROM pg_statio_user_tables WHERE schemaname = '$schema')};
	my $flush = "\\o /dev/null\nSELECT pg_stat_force_next_flush();\n\\o";
	my ($subtransactions, $looked_at, @records) = split /\n/, $node->safe_psql('postgres', qq{
		VACUUM;
		SET search_path = $schema, public;
		\\set n 1
		$statement;
		$flush
		SELECT pg_current_wal_insert_lsn() AS lsn, pg_snapshot_xmax(pg_current_snapshot()) AS xid, $pages AS pages \\gset
		\\set n 2
		$statement;
		SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint - :xid - 1;
		$flush
		SELECT $pages - :pages;
		SELECT "resource_manager/record_type", count FROM pg_get_wal_stats(:'lsn', pg_current_wal_insert_lsn(), true)
		WHERE count > 0});
	my %records;
	for (@records)
	{
		my ($type, $count) = split /\|/;
		# When a page is tidied up, and where in random uuids an index page is split, is left to chance.
		$records{ $type =~ s/\+INIT$//r } += $count unless $type =~ m{^(Heap2|Btree|XLOG)/};
	}
	return { subtransactions => $subtransactions, pages => $looked_at, records => \%records };
}

sub text { my ($records) = @_; return join ', ', map { "$_ $records->{$_}" } sort keys %$records }

# costs NAME, ROWS, STATEMENT, BY HAND, LEVEL => EXPECTED...: of each level how many subtransactions; for each customer how
# many tuples more than by hand are locked, as any BEFORE UPDATE trigger does, and at most how many pages more are read.
sub costs
{
	my ($name, $rows, $statement, $by_hand, %expected) = @_;
	my $base = cost('by_hand', $by_hand);
	note("$name, by hand: ", text($base->{records}), "; $base->{pages} pages");
	for my $level (sort keys %expected)
	{
		my ($subtransactions, $locks, $pages) = @{ $expected{$level} };
		my $cost = cost($level, $statement);
		note("$name, $level: ", text($cost->{records}), "; $cost->{pages} pages");
		my %records = %{ $base->{records} };
		$records{'Heap/LOCK'} += $locks * $rows if $locks;
		is($cost->{subtransactions}, $subtransactions, "$name, $level: subtransactions");
		is(text($cost->{records}), text(\%records), "$name, $level: WAL records");
		cmp_ok(($cost->{pages} - $base->{pages}) / $rows, '<=', $pages, "$name, $level: pages more for each customer");
	}
}

sub changed
{
	my ($which) = @_;
	return ("UPDATE customers SET phone = phone || '1' WHERE $which", qq{
		WITH changed AS (UPDATE customers SET phone = phone || '1' WHERE $which RETURNING id, phone)
		UPDATE contact_methods m
		SET phone_number = c.phone, is_available = true, verification_status = 'unknown', last_verified = NULL,
			updated_at = now()
		FROM changed c
		WHERE m.customer_id = c.id AND m.method_type IN ('sms', 'phone_call') AND m.phone_number <> c.phone});
}

sub inserted
{
	my ($rows) = @_;
	return ("INSERT INTO customers (id, name, phone) $rows", qq{
		WITH new AS (INSERT INTO customers (id, name, phone, whatsapp)
					 SELECT id, name, phone, phone FROM ($rows) AS r(id, name, phone) RETURNING id, phone, whatsapp),
		preferences AS (INSERT INTO contact_preferences (customer_id) SELECT id FROM new)
		INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
		SELECT id, method, number, method = 'whatsapp'
		FROM new CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone))
			 AS w(method, number)});
}

sub untouched { return (q{UPDATE customers SET name = name || '1' WHERE } . shift) x 2 }

my $one = q{SELECT 1000000 + :n, 'new', '1'};
my $thousand = q{SELECT 2000000 + 1000 * :n + i, 'new', '1' FROM generate_series(0, 999) AS i};
my $many = q{SELECT 3000000 + 20000 * :n + i, 'new', '1' FROM generate_series(0, 19999) AS i};
# A row trigger reads the row's two versions again. (Some leave room for an index page that is split. For many, by hand the rows are joined at once, not looked up.)
costs('one row untouched', 1, untouched('id = 10'), by_row => [ 0, 1, 3 ], by_statement => [ 0, 1, 3 ]);
# Since 17 one search of an index is enough for both values of the IN by hand.
my $searches = $node->pg_version < 17 ? 0 : 2;
costs('one row changed', 1, changed('id = 20'), by_row => [ 1, 1, 4 + $searches ], by_statement => [ 1, 1, 4 + $searches ]);
costs('one row inserted', 1, inserted($one), by_row => [ 2, 0, 14 ], by_statement => [ 2, 0, 14 ]);
costs('1,000 rows untouched', 1000, untouched('id <= 1000'), by_row => [ 0, 1, 3 ], by_statement => [ 0, 1, 3 ]);
costs('1,000 rows changed', 1000, changed('id <= 1000'), by_row => [ 1000, 1, 9.5 ], by_statement => [ 1, 1, 9.5 ]);
costs('1,000 rows inserted', 1000, inserted($thousand), by_row => [ 2000, 0, 8.5 ], by_statement => [ 2, 0, 8.5 ]);
costs('20,000 rows inserted', 20000, inserted($many), by_statement => [ 2, 0, 8.5 ]);
costs('20,000 rows changed', 20000, changed('id >= 3040000'), by_statement => [ 1, 1, 10.5 ]);

$node->stop;
done_testing();
