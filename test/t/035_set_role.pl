# A member of the owner's role who may not SET ROLE to it (GRANT ... WITH SET FALSE, from PostgreSQL 16 on) may not act as it
# either: not by contact sync.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('set_role');
plan skip_all => 'for PostgreSQL 16 and later' if $node->pg_version < 16;
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION contact_sync;
	CREATE ROLE shop;
	CREATE ROLE reader;
	CREATE ROLE dba;
	GRANT shop TO reader WITH SET FALSE;
	GRANT shop TO dba WITH INHERIT FALSE, SET TRUE;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO shop, reader, dba;
	CREATE SCHEMA shop AUTHORIZATION shop;
	GRANT USAGE ON SCHEMA shop TO PUBLIC;
	SET ROLE shop;
	CREATE TABLE shop.customers (id bigint PRIMARY KEY, phone text, whatsapp text);
	SELECT * FROM contact_sync.attach('shop.customers') \g /dev/null
	INSERT INTO shop.customers VALUES (1, '1');
});

# as ROLE CALL: what psql says of it
sub as
{
	my ($role, $call) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET ROLE $role; $call", on_error_stop => 0);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return $err =~ /^(ERROR:.*)/m ? $1 : 'done';
}

for my $call ((map { "SELECT count(*) FROM contact_sync.$_('shop.customers')" } qw(verify attach drift disable enable)),
	q{CALL contact_sync.reconcile('shop.customers')},
	q{SELECT contact_sync_internal.waiting_failures('shop.customers')},
	q{SELECT count(*) FROM contact_sync.detach('shop.customers')})
{
	is(as('reader', $call), 'ERROR:  permission denied to act as the owner of table "customers"', "without SET: $call");
	is(as('dba', $call), 'done', "with SET: $call");
}

$node->stop;
done_testing();
