# attach is all or nothing and comes to rest: what pg_dump says of a database before and after.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('attach');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE clerk; CREATE ROLE other');

my $attach = q{SELECT count(*) FROM contact_sync.attach('shop.customers')};
my $unfinished = q{SELECT count(*) FROM contact_sync.verify('shop.customers') WHERE status IN ('fix', 'blocked')};

# What a half-working system may look like: rows in the way of missing keys, a short CHECK, triggers half dropped.
my $broken = q{
	SET search_path = shop;
	ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key,
		DROP CONSTRAINT contact_methods_customer_id_fkey, DROP CONSTRAINT contact_methods_method_type_check;
	DELETE FROM contact_methods WHERE method_type = 'phone_call';
	ALTER TABLE contact_methods ADD CHECK (method_type IN ('sms', 'whatsapp'));
	INSERT INTO contact_methods (customer_id, method_type, phone_number)
		SELECT customer_id, method_type, 'again' FROM contact_methods UNION ALL SELECT NULL, 'sms', 'nobody''s';
	DROP TABLE contact_history;
	DROP TRIGGER trigger_sync_contact_numbers ON customers;
};

# legacy DATABASE: a database of its own with the legacy tables in the schema shop, and the extension.
sub legacy
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE SCHEMA shop');
	local $ENV{PGOPTIONS} = '-c search_path=shop';
	IPC::Run::run [ 'psql', '-X', '-q', '-d', $node->connstr($database), '-f', "test/fixtures/$_.sql" ]
	  or die "could not load $_"
	  for qw(legacy legacy_data);
	$node->safe_psql($database, 'CREATE EXTENSION contact_sync; GRANT SELECT, INSERT, UPDATE ON shop.customers TO clerk');
}

# dump_of DATABASE: everything pg_dump knows of it, rows as well.
sub dump_of
{
	my ($database) = @_;
	my $dump;
	IPC::Run::run [ 'pg_dump', '-d', $node->connstr($database) ], '>', \$dump or die 'pg_dump failed';
	$dump =~ s/^\\(?:un)?restrict .*\n//mg;    # a key that pg_dump makes up each time
	return $dump;
}

# same GOT, EXPECTED, NAME: dumps are long; where they differ is what matters.
sub same
{
	my ($got, $expected, $name) = @_;
	return if ok($got eq $expected, $name);
	my %known = map { $_ => 1 } split /\n/, $expected;
	diag grep { !$known{$_} } map { "$_\n" } split /\n/, $got;
}

#
# A failed attach changes nothing.
#
legacy('failing');
$node->safe_psql('failing', $broken);
my $before = dump_of('failing');
my ($status, $out, $err);

$node->safe_psql('failing', 'CREATE VIEW shop.contact_history AS SELECT 1 AS one');
my $with_view = dump_of('failing');
($status, $out, $err) = $node->psql('failing', $attach);
like($err, qr/cannot be attached to shop\.customers\n.*contact_history: it is not a table/, 'blocked: it says by what');
same(dump_of('failing'), $with_view, 'and nothing has changed');
$node->safe_psql('failing', 'DROP VIEW shop.contact_history');

# Somebody writes customers, and attach waits no longer than it is told to.
my $writer = $node->background_psql('failing');
$writer->query_safe('BEGIN; LOCK TABLE shop.customers IN ROW EXCLUSIVE MODE');
($status, $out, $err) = $node->psql('failing', "SET lock_timeout = '100ms'; $attach");
like($err, qr/canceling statement due to lock timeout/, 'a lock that does not come');
same(dump_of('failing'), $before, 'and nothing has changed');
$writer->query_safe('COMMIT');

# The same without enabled legacy triggers, where customers is locked last: all that came before is undone.
$node->safe_psql('failing', q{SELECT contact_sync.disable('shop.customers')});
my $disabled = dump_of('failing');
$writer->query_safe('BEGIN; LOCK TABLE shop.customers IN ROW EXCLUSIVE MODE');
($status, $out, $err) = $node->psql('failing', "SET lock_timeout = '100ms'; $attach");
like($err, qr/lock timeout\n.*FOREIGN KEY/s, 'a lock that does not come at the end, for the foreign keys');
same(dump_of('failing'), $disabled, 'and nothing has changed');
$writer->query_safe('COMMIT');
$writer->quit;

# An error amid the fixes
$node->safe_psql('failing', 'CREATE DOMAIN shop.contact_history AS text');
my $with_domain = dump_of('failing');
($status, $out, $err) = $node->psql('failing', $attach);
like($err, qr/type "contact_history" already exists/, 'a fix that fails');
same(dump_of('failing'), $with_domain, 'and nothing has changed');
$node->safe_psql('failing', 'DROP DOMAIN shop.contact_history');

#
# Attached twice is attached once; attached, detached and attached is attached.
#
cmp_ok($node->safe_psql('failing', $attach), '>', 0, 'with nothing in the way it succeeds');
is($node->safe_psql('failing', $unfinished), '0', 'and leaves nothing to fix');
my $attached = dump_of('failing');
is($node->safe_psql('failing', $attach), '0', 'a second attach does nothing');
same(dump_of('failing'), $attached, 'and changes nothing');

cmp_ok($node->safe_psql('failing', q{SELECT count(*) FROM contact_sync.detach('shop.customers')}), '>', 0, 'detached');
isnt(dump_of('failing'), $attached, 'it is another database');
cmp_ok($node->safe_psql('failing', $attach), '>', 0, 'attached again');
same(dump_of('failing'), $attached, 'it is the same as before');

#
# Two at once: the second waits for the first, as long as it may, and finds nothing to do.
#
legacy('twice');
$node->safe_psql('twice', $broken);
my $first = $node->background_psql('twice');
$first->query_safe("BEGIN; $attach");
($status, $out, $err) = $node->psql('twice', $attach);
ok($status != 0 && $err =~ /canceling statement due to lock timeout/, 'two at once: the second waits half a second');
my $second = $node->background_psql('twice');
$second->query_until(qr/waiting/, "SET lock_timeout = '180s';\n\\echo waiting\n$attach;\n");
$node->poll_query_until('twice', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'relation' AND NOT granted})
  or die 'the second attach does not wait';
$first->query_safe('COMMIT');
$first->quit;
is($second->query_until(qr/^\d+\n/m, "\n"), "0\n", 'two at once: with more time the second finds nothing to do');
$second->quit;
is($node->safe_psql('twice', $unfinished), '0', 'and nothing is left to fix');

#
# A trigger that somebody puts in the way of rows to be moved, after attach has looked and before it moves them
#
legacy('planted');
$node->safe_psql('planted', $broken);
my $planter = $node->background_psql('planted');
$planter->query_safe(q{BEGIN;
	CREATE FUNCTION shop.trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END';
	ALTER FUNCTION shop.trap() OWNER TO other;
	CREATE TRIGGER trap BEFORE DELETE ON shop.contact_methods FOR EACH ROW EXECUTE FUNCTION shop.trap()});
my ($said, $complained);
my $attaching = IPC::Run::start [ 'psql', '-X', '-d', $node->connstr('planted'),
	'-c', q{SET lock_timeout = '180s'}, '-c', $attach ],
  '>', \$said, '2>', \$complained;
$node->poll_query_until('planted', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'shop.contact_methods'::regclass
	AND NOT granted}) or die 'attach does not wait';
$planter->query_safe('COMMIT');
$planter->quit;
$attaching->finish;
like($complained, qr/untrusted_trigger, shop\.contact_methods: trigger trap: its function shop\.trap\(\) belongs to a role without/,
	'attach looks again once it holds the lock, and does not run the trigger');

#
# What a DBA built beforehand, without a lock, is used.
#
legacy('prepared');
$node->safe_psql('prepared', q{ALTER TABLE shop.contact_methods
	DROP CONSTRAINT contact_methods_customer_id_method_type_key});
$node->safe_psql('prepared',
	'CREATE UNIQUE INDEX CONCURRENTLY by_hand ON shop.contact_methods (method_type, customer_id)');
is($node->safe_psql('prepared', q{SELECT count(*) FROM contact_sync.attach('shop.customers')
	WHERE check_name = 'unique_key'}), '0', 'an index made CONCURRENTLY is as good as a constraint');
is($node->safe_psql('prepared', $unfinished), '0', 'and nothing is left to fix');

done_testing();
