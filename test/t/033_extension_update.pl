# Every version that was ever published, updated to the newest, is what that installs afresh.
#
# How earlier versions were installed stays in extension/published, with the way from each to the next.  What an extension
# consists of is what pg_dump says of it for pg_upgrade: each object with its definition, owner, rights and comment.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 'test/t';
use TwoShops;

my $node = PostgreSQL::Test::Cluster->new('update');
$node->init;
$node->start;

# installed NAME, SQL...: a database of that name with what the SQL makes; what contact_sync consists of there
sub installed
{
	my ($name, @sql) = @_;
	my $dump;
	$node->safe_psql('postgres', qq{CREATE DATABASE "$name"});
	$node->safe_psql($name, $_) for @sql;
	IPC::Run::run [ 'pg_dump', '--schema-only', '--binary-upgrade', '-d', $node->connstr($name) ], '>', \$dump
	  or die 'pg_dump failed';
	$dump =~ s/^\\(?:un)?restrict .*\n//mg;    # a key that pg_dump makes up each time
	# Numbers that differ from one database to the next: of objects, of files, of versions of columns
	$dump =~ s/^SELECT pg_catalog\.binary_upgrade_set_.*\n//mg;
	$dump =~ s/(?<=[{,])\d+(?=[},])/OID/g;
	$dump =~ s/^(WHERE oid =) '\d+'/$1 OID/mg;
	$dump =~ s/^ALTER TABLE .* SET \(pg_attver=\d+\);\n//mg;
	$dump =~ s/^(?:SET relfrozenxid|UPDATE pg_catalog\.pg_class\nSET relfrozenxid) = .*\n//mg;
	return $dump;
}

my $fresh = installed('fresh', 'CREATE EXTENSION contact_sync');
my $newest = $node->safe_psql('fresh', q{SELECT extversion FROM pg_extension WHERE extname = 'contact_sync'});
like($fresh, qr/CREATE FUNCTION contact_sync\.verify\(.*CREATE TABLE contact_sync\.failures/s, 'what it consists of');

my @published = map { /contact_sync--((?:(?!--).)+)\.sql$/ } glob 'extension/published/*.sql';
for my $version (@published, $newest)
{
	same(installed("from $version", "CREATE EXTENSION contact_sync VERSION '$version'", 'ALTER EXTENSION contact_sync UPDATE'),
		$fresh, "version $version, updated, is $newest");
}

# No difference goes unseen.
my %differences = (
	body => q{CREATE OR REPLACE FUNCTION contact_sync_internal.is_ours(function oid) RETURNS boolean
		LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT false'},
	setting => q{ALTER FUNCTION contact_sync_internal.is_ours(oid) RESET ALL},
	comment => q{COMMENT ON FUNCTION contact_sync_internal.is_ours(oid) IS 'another'},
	missing => q{ALTER EXTENSION contact_sync DROP PROCEDURE contact_sync.reconcile(regclass, integer, name, name, name, boolean);
		DROP PROCEDURE contact_sync.reconcile(regclass, integer, name, name, name, boolean)},
	no_member => q{ALTER EXTENSION contact_sync DROP PROCEDURE contact_sync.reconcile(regclass, integer, name, name, name, boolean)},
	more => q{CREATE FUNCTION contact_sync.more() RETURNS int LANGUAGE sql AS 'SELECT 1';
		ALTER EXTENSION contact_sync ADD FUNCTION contact_sync.more()},
	owner => q{CREATE ROLE other; ALTER TABLE contact_sync.failures OWNER TO other},
	rights => q{GRANT EXECUTE ON FUNCTION contact_sync.update_contact_methods() TO PUBLIC},
	nothing_dumped => q{UPDATE pg_extension SET (extconfig, extcondition) = (NULL, NULL) WHERE extname = 'contact_sync'},
	column => q{ALTER TABLE contact_sync.failures ALTER message DROP NOT NULL},
	attribute => q{ALTER TYPE contact_sync_internal.shape ADD ATTRIBUTE more text},
);
for my $difference (sort keys %differences)
{
	isnt(installed($difference, 'CREATE EXTENSION contact_sync', $differences{$difference}), $fresh,
		"a difference: $difference");
}

$node->stop;
done_testing();
