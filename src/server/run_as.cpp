#include "server/run_as.hpp"

#include "server/border.hpp"
#include "server/compat.hpp"
#include "server/guard.hpp"
#include "server/identity.hpp"
#include "server/settings.hpp"
#include "write/statement.hpp"

extern "C"
{
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "storage/proc.h"
#include "utils/regproc.h"
}

namespace contact_sync
{

namespace
{

constexpr const char *plain_search_path = "pg_catalog, pg_temp";

/// The function for administrators under way.
struct Call
{
	Oid function;
	Oid caller;
	const char *search_path; ///< of the owner's triggers
};

Call under_way = {InvalidOid, InvalidOid, plain_search_path};

/// The owner of a table, which stays its owner until the end of the transaction; InvalidOid where there is no table.
/// Raises 42501 where the current user may not act as the owner. Sets `search_path` to that of the owner's triggers.
Oid owner_to_act_as(FunctionCallInfo fcinfo, const char *&search_path)
{
	const Relation table = PG_ARGISNULL(0) ? nullptr : try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	if (table == nullptr)
		return InvalidOid;

	const Oid owner = table->rd_rel->relowner;
	search_path = search_path_of(RelationGetNamespace(table));
	if (!can_set_role(GetUserId(), owner))
	{
		const char *name = GetUserNameFromId(owner, false);
		ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("permission denied to act as the owner of table \"%s\"", RelationGetRelationName(table)),
				errdetail("The caller must be able to SET ROLE \"%s\".", name),
				errhint("Run this as role \"%s\", as a member of it, or as a superuser.", name));
	}
	relation_close(table, NoLock);
	return owner;
}

Oid owner_of_failures()
{
	const Relation failures =
		relation_open(get_relname_relid("failures", get_namespace_oid("contact_sync", false)), AccessShareLock);
	const Oid owner = failures->rd_rel->relowner;
	relation_close(failures, NoLock);
	return owner;
}

DestReceiver *receiver_of_result(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC); // of one column, too
	const auto &result = *reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	DestReceiver *receiver = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(receiver, result.setResult, result.econtext->ecxt_per_query_memory, false,
									result.setDesc, "structure of query does not match function result type");
	return receiver;
}

/// Calls a function of contact_sync_internal with the arguments of another, and returns its rows as that one's.
void call(FunctionCallInfo fcinfo, const char *name, DestReceiver *receiver)
{
	Oid *types;
	int count;
	(void)get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	const ParamListInfo parameters = makeParamList(count);
	StringInfoData sql;
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM contact_sync_internal.%s(", quote_identifier(name));
	for (int i = 0; i < count; i++)
	{
		appendStringInfo(&sql, "%s$%d", i > 0 ? ", " : "", i + 1);
		parameters->params[i] = {PG_ARGISNULL(i) ? Datum(0) : PG_GETARG_DATUM(i), PG_ARGISNULL(i), 0, types[i]};
	}
	appendStringInfoChar(&sql, ')');

	execute_plan(*plan_statement(sql.data, types, count, NIL), parameters, receiver);
}

/// Calls the function of that suffix as the role that `role(search_path)` returns, or as the current user where that is
/// InvalidOid. It may set the search_path of the owner's triggers.
template <typename Role> Datum run_as(FunctionCallInfo fcinfo, const char *suffix, const Role &role)
{
	DestReceiver *receiver = receiver_of_result(fcinfo);
	const char *name = psprintf("%s%s", get_func_name(fcinfo->flinfo->fn_oid), suffix);
	const Oid acting = acting_role();
	const Call outer = under_way;

	PG_TRY();
	{
		const int settings = NewGUCNestLevel();
		if (LockTimeout == 0 && func_volatile(fcinfo->flinfo->fn_oid) == PROVOLATILE_VOLATILE)
			set_option("lock_timeout", settings::lock_timeout);
		under_way = {fcinfo->flinfo->fn_oid, caller(), plain_search_path};
		const Oid identity = role(under_way.search_path);
		set_option("search_path", under_way.search_path);
		fix_output();
		const Identity before = assume(OidIsValid(identity) ? identity : GetUserId(), SECURITY_RESTRICTED_OPERATION);
		as_error([fcinfo, name, receiver] { call(fcinfo, name, receiver); });
		resume(before);
		under_way = outer;
		AtEOXact_GUC(false, settings);
	}
	PG_CATCH();
	{
		restore_acting_role(acting);
		under_way = outer;
		PG_RE_THROW();
	}
	PG_END_TRY();
	return Datum(0);
}

bool returns_rows(const Plan &plan)
{
	ListCell *cell;
	foreach (cell, plan.statements)
	{
		const auto *statement = lfirst_node(PlannedStmt, cell);
		if (statement->canSetTag && (statement->commandType == CMD_SELECT || statement->hasReturning))
			return true;
	}
	return false;
}

Datum run_checked(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("statement must not be null"));
	const char *sql = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const Oid type = TEXTARRAYOID;
	DestReceiver *receiver = receiver_of_result(fcinfo);
	const ParamListInfo parameters = makeParamList(1);
	parameters->params[0] = {PG_ARGISNULL(1) ? Datum(0) : PG_GETARG_DATUM(1), PG_ARGISNULL(1), PARAM_FLAG_CONST, type};
	const Plan &plan = *plan_statement(sql, &type, 1, NIL, parameters);
	const Datum touched = Int64GetDatum(static_cast<int64>(execute_plan(plan, parameters, receiver)));

	// Of a statement that returns no rows, how many it touched.
	const auto &result = *reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
	if (!returns_rows(plan))
	{
		if (result.setDesc->natts != 1 || TupleDescAttr(result.setDesc, 0)->atttypid != INT8OID)
			ereport(ERROR, errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("result of the statement is a count of type bigint"));
		const bool is_null = false;
		tuplestore_putvalues(result.setResult, result.setDesc, const_cast<Datum *>(&touched),
							 const_cast<bool *>(&is_null));
	}
	return Datum(0);
}

} // namespace

Datum run_as_owner(FunctionCallInfo fcinfo)
{
	return run_as(fcinfo, "_as_owner",
				  [fcinfo](const char *&search_path) { return owner_to_act_as(fcinfo, search_path); });
}

Datum run_as_keeper(FunctionCallInfo fcinfo)
{
	const auto keeper = [fcinfo](const char *& /*search_path*/)
	{
		const char *owners;
		if (!OidIsValid(owner_to_act_as(fcinfo, owners)))
			ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table does not exist"));
		return owner_of_failures();
	};
	return run_as(fcinfo, "_as_keeper", keeper);
}

Datum run_query(FunctionCallInfo fcinfo)
{
	return run_checked(fcinfo);
}

Datum run_write(FunctionCallInfo fcinfo)
{
	const int settings = NewGUCNestLevel();
	set_option("search_path", under_way.search_path);
	const Datum result = run_checked(fcinfo);
	AtEOXact_GUC(false, settings);
	return result;
}

void run_utility(const char *sql)
{
	const int settings = NewGUCNestLevel();
	SPI_connect();
	const int outcome = SPI_execute(sql, false, 0);
	if (outcome < 0)
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("contact_sync: SPI_execute returned %s", SPI_result_code_string(outcome)));
	SPI_finish();
	AtEOXact_GUC(false, settings);
}

Oid caller()
{
	return OidIsValid(under_way.caller) ? under_way.caller : GetUserId();
}

void grant_execute(Oid function)
{
	const Oid schema = get_namespace_oid("contact_sync", false);
	if (!OidIsValid(acting_role()) || get_func_namespace(under_way.function) != schema ||
		func_volatile(under_way.function) != PROVOLATILE_VOLATILE || get_func_namespace(function) != schema)
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("only contact_sync.attach() grants EXECUTE on a trigger function"));

	const char *sql = psprintf("GRANT EXECUTE ON FUNCTION %s TO %s", format_procedure_qualified(function),
							   quote_identifier(GetUserNameFromId(acting_role(), false)));
	const Identity before = assume(under_way.caller, SECURITY_RESTRICTED_OPERATION);
	run_utility(sql);
	resume(before);
}

} // namespace contact_sync
