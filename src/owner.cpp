#include "owner.hpp"

#include "guard.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "funcapi.h"
}

namespace contact_sync
{

Datum run_as_owner(Oid table, const char *statement, Datum arguments, bool *is_null)
{
	const Relation relation = relation_open(table, AccessShareLock);
	const Oid owner = relation->rd_rel->relowner;
	const char *search_path = search_path_of(RelationGetNamespace(relation));
	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("must have the rights of the owner of table \"%s\"", RelationGetRelationName(relation)),
				errhint("Call this as the owner, as a member of it, or as superuser."));
	relation_close(relation, NoLock);

	Oid user;
	int security_context;
	GetUserIdAndSecContext(&user, &security_context);
	const int guc_level = NewGUCNestLevel();
	// Of another role nothing may be left for later, such as a deferred trigger, that would run with the caller's
	// rights.
	take_on(owner, owner == user ? 0 : SECURITY_RESTRICTED_OPERATION);
	set_option("search_path", search_path);
	SPI_connect();

	Oid type = TEXTARRAYOID;
	const int outcome = SPI_execute_with_args(statement, 1, &type, &arguments, nullptr, false, 0);
	if (outcome < 0)
		ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("contact_sync: SPI_execute_with_args returned %s", SPI_result_code_string(outcome)));
	Datum row = 0;
	*is_null = SPI_tuptable == nullptr || SPI_processed == 0;
	if (!*is_null)
		row = HeapTupleHeaderGetDatum(SPI_returntuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc));

	SPI_finish();
	AtEOXact_GUC(true, guc_level);
	SetUserIdAndSecContext(user, security_context);
	return row;
}

} // namespace contact_sync
