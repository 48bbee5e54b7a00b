#include "write/statement.hpp"

#include "server/compat.hpp"
#include "server/fault.hpp"
#include "server/guard.hpp"
#include "trust/trust.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "executor/tstoreReceiver.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"
}

namespace contact_sync
{

namespace
{

/// An error_context_stack callback.
void tell_statement(void *sql)
{
	errcontext("SQL statement \"%s\"", static_cast<const char *>(sql));
}

/// Runs `body` with the statement's text as its error context.
template <typename Body> auto in_context_of(const char *sql, const Body &body)
{
	ErrorContextCallback context = {error_context_stack, tell_statement, const_cast<char *>(sql)};
	error_context_stack = &context;
	auto result = body();
	error_context_stack = context.previous;
	return result;
}

/// The settings that a plan is made with: all that may keep it from looking up row by row, by index.
constexpr struct
{
	const char *name;
	const char *value;
} planner_settings[] = {
	{"enable_seqscan", "off"},
	{"enable_hashjoin", "off"},
	{"enable_mergejoin", "off"},
	{"enable_indexscan", "on"},
	{"enable_bitmapscan", "on"},
	{"enable_nestloop", "on"},
	{"enable_partition_pruning", "on"},
	{"seq_page_cost", "1"},
	{"random_page_cost", "4"},
	{"cpu_tuple_cost", "0.01"},
	{"cpu_index_tuple_cost", "0.005"},
	{"cpu_operator_cost", "0.0025"},
	{"effective_cache_size", "4GB"},
	{"from_collapse_limit", "8"},
	{"join_collapse_limit", "8"},
	{"geqo", "off"},
	{"jit", "off"},
	{"transform_null_equals", "off"},
};

Query *analyze(const char *sql, const Oid *types, int type_count)
{
	const List *parsed = pg_parse_query(sql);
	if (list_length(parsed) == 1)
	{
		Query *query = parse_analyze_fixedparams(linitial_node(RawStmt, parsed), sql, types, type_count, nullptr);
		if (query->commandType != CMD_UTILITY)
			return query;
	}
	ereport(ERROR, errcode(ERRCODE_SYNTAX_ERROR), errmsg("expected a single query"));
	pg_unreachable();
}

/// Raises where a query, before the rewriter has seen it, names another table than it may. An expression_tree_walker.
bool check_relations(Node *node, void *relations)
{
	if (node == nullptr)
		return false;
	if (IsA(node, Query))
		return walk_query(reinterpret_cast<Query *>(node), check_relations, relations);
	if (!IsA(node, RangeTblEntry))
		return walk_children(node, check_relations, relations);

	const auto *entry = reinterpret_cast<RangeTblEntry *>(node);
	if (entry->rtekind != RTE_RELATION)
		return false;
	const auto *allowed = static_cast<const List *>(relations);
	if (allowed != NIL && !list_member_oid(allowed, entry->relid))
		ereport(ERROR, errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table \"%s\" is not the one that was checked", get_rel_name(entry->relid)));
	if (allowed == NIL)
	{
		const Relation relation = relation_open(entry->relid, NoLock);
		if (!has_privs_of_role(relation->rd_rel->relowner, GetUserId()))
			ereport(ERROR, errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("table \"%s\" belongs to a role without the rights of role \"%s\"",
						   RelationGetRelationName(relation), GetUserNameFromId(GetUserId(), false)));
		relation_close(relation, NoLock);
	}
	return false;
}

/// A table's CHECK constraints, ready to be executed. Kept with the binding.
struct CompiledChecks
{
	Oid table;
	ExprState **states; ///< null where the executor is to compile them itself
};

CompiledChecks *compile_checks(Relation table)
{
	auto *compiled = static_cast<CompiledChecks *>(palloc0(sizeof(CompiledChecks)));
	compiled->table = RelationGetRelid(table);

	const TupleConstr *constraints = RelationGetDescr(table)->constr;
	const int size = constraints == nullptr ? 0 : constraints->num_check;
	if (size == 0 || size != table->rd_rel->relchecks)
		return compiled;

	auto **states = static_cast<ExprState **>(palloc(sizeof(ExprState *) * size));
	for (int i = 0; i < size; i++)
	{
		Node *check = without_virtual(static_cast<Node *>(stringToNode(constraints->check[i].ccbin)), table);
		// What does more could come back here while it is at work, and find its own state in use; and what reads whole
		// rows keeps the first one's descriptor.
		if (!is_enforced(constraints->check[i]) || !is_computation(check))
			return compiled;
		states[i] = ExecInitExpr(expression_planner(reinterpret_cast<Expr *>(check)), nullptr);
	}
	compiled->states = states;
	return compiled;
}

/// Gives the executor what ExecRelCheck() would else read from the catalog and compile at each start (execMain.c): it
/// is a third of what a single row costs.
void lend_checks(const QueryDesc &query, void *argument)
{
	fault("execute");
	auto &binding = *static_cast<Binding *>(argument);
	const auto compiled = [&binding](Relation table)
	{
		ListCell *cell;
		foreach (cell, binding.checks)
			if (static_cast<CompiledChecks *>(lfirst(cell))->table == RelationGetRelid(table))
				return static_cast<CompiledChecks *>(lfirst(cell));
		const MemoryContext caller = MemoryContextSwitchTo(binding.context);
		CompiledChecks *made = compile_checks(table);
		binding.checks = lappend(binding.checks, made);
		MemoryContextSwitchTo(caller);
		return made;
	};

	// Those compiled before a change are no use after it.
	if (binding.stale)
		return;
	ListCell *cell;
	foreach (cell, query.estate->es_opened_result_relations)
	{
		auto *result = static_cast<ResultRelInfo *>(lfirst(cell));
		compiled_checks(*result) = compiled(result->ri_RelationDesc)->states;
	}
}

Oid key_type(const Binding &binding, bool many)
{
	return many ? get_array_type(binding.id.type) : binding.id.type;
}

Oid flag_type(bool many)
{
	return many ? BOOLARRAYOID : BOOLOID;
}

ParamListInfo parameters_of(const Binding &binding, const Batch &batch)
{
	const bool many = batch.size() > 1;
	const Batch::Parameters values = many ? batch.as_arrays() : batch.as_scalars();
	const Oid flag = flag_type(many);
	ParamListInfo parameters = makeParamList(3);
	parameters->params[0] = {values.key, false, 0, key_type(binding, many)};
	parameters->params[1] = {values.whatsapp, false, 0, flag};
	parameters->params[2] = {values.phone, false, 0, flag};
	return parameters;
}

} // namespace

Plan *plan_statement(const char *sql, const Oid *types, int type_count, const List *relations, ParamListInfo values)
{
	auto *plan = static_cast<Plan *>(palloc(sizeof(Plan)));
	plan->sql = sql;
	const auto make = [sql, types, type_count, relations, values]
	{
		// The planner evaluates immutable functions, users' too.
		const int settings = NewGUCNestLevel();
		PushActiveSnapshot(GetTransactionSnapshot());
		Query *query = analyze(sql, types, type_count);
		check_relations(reinterpret_cast<Node *>(query), const_cast<List *>(relations));
		List *statements = pg_plan_queries(pg_rewrite_query(query), sql, 0, values);
		PopActiveSnapshot();
		AtEOXact_GUC(false, settings);
		return statements;
	};
	plan->statements = in_context_of(sql, make);
	return plan;
}

uint64 execute_plan(const Plan &plan, ParamListInfo parameters, DestReceiver *receiver,
					void (*started)(const QueryDesc &query, void *argument), void *argument)
{
	const auto execute_all = [&plan, parameters, receiver, started, argument]
	{
		const int settings = NewGUCNestLevel();
		uint64 touched = 0;
		PushActiveSnapshot(GetTransactionSnapshot());
		ListCell *cell;
		foreach (cell, plan.statements)
		{
			auto *statement = lfirst_node(PlannedStmt, cell);
			CommandCounterIncrement();
			UpdateActiveSnapshotCommandId();
			if (statement->utilityStmt != nullptr)
			{
				ProcessUtility(statement, plan.sql, true, PROCESS_UTILITY_QUERY, parameters, nullptr, None_Receiver,
							   nullptr);
				continue;
			}

			QueryDesc *query = CreateQueryDesc(statement, plan.sql, GetActiveSnapshot(), InvalidSnapshot,
											   statement->canSetTag ? receiver : None_Receiver, parameters, nullptr, 0);
			ExecutorStart(query, 0);
			if (started != nullptr)
				started(*query, argument);
			run(query);
			ExecutorFinish(query);
			if (statement->canSetTag)
				touched = query->estate->es_processed;
			ExecutorEnd(query);
			FreeQueryDesc(query);
		}
		PopActiveSnapshot();
		CommandCounterIncrement();
		AtEOXact_GUC(false, settings);
		return touched;
	};
	return in_context_of(plan.sql, execute_all);
}

const char *from_batch(bool many, bool in_order)
{
	if (!many)
		return "(SELECT $1, $2, $3) AS k (id, whatsapp, phone)";
	return psprintf("(SELECT * FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))%s) "
					"AS k (id, whatsapp, phone)",
					in_order ? " ORDER BY 1" : "");
}

const char *from_customers(const Binding &binding, bool many, bool in_order)
{
	return psprintf("%s JOIN %s AS c ON c.%s %s k.id", from_batch(many, in_order), binding.customers,
					quote_identifier(NameStr(binding.id.name)), binding.key_equality);
}

Plan *plan_for_batch(const Binding &binding, const char *sql, bool many, const List *relations)
{
	const Oid types[] = {key_type(binding, many), flag_type(many), flag_type(many)};
	const int settings = NewGUCNestLevel();
	set_option("search_path", binding.search_path);
	for (const auto &setting : planner_settings)
		set_option(setting.name, setting.value);
	fault("plan");
	Plan *plan = plan_statement(sql, types, lengthof(types), relations);
	AtEOXact_GUC(false, settings);
	return plan;
}

Plan *keep(Binding &binding, const Plan &plan)
{
	ListCell *cell;
	foreach (cell, plan.statements)
		depend_on(binding, *lfirst_node(PlannedStmt, cell));

	const MemoryContext caller = MemoryContextSwitchTo(binding.context);
	auto *kept = static_cast<Plan *>(palloc(sizeof(Plan)));
	*kept = {pstrdup(plan.sql), static_cast<List *>(copyObjectImpl(plan.statements))};
	MemoryContextSwitchTo(caller);
	return kept;
}

void lock_relations(const Plan &plan)
{
	ListCell *cell;
	foreach (cell, plan.statements)
	{
		ListCell *entry_cell;
		foreach (entry_cell, lfirst_node(PlannedStmt, cell)->rtable)
		{
			const auto *entry = lfirst_node(RangeTblEntry, entry_cell);
			if (entry->rtekind == RTE_RELATION)
				LockRelationOid(entry->relid, entry->rellockmode);
		}
	}
}

uint64 execute(Binding &binding, const Plan &plan, const Batch &batch)
{
	const uint64 touched = execute_plan(plan, parameters_of(binding, batch), None_Receiver, lend_checks, &binding);
	fault("executed");
	return touched;
}

ParamListInfo row_of(const Binding &binding, const Plan &plan, const Batch &batch)
{
	const TupleDesc columns = ExecCleanTypeFromTL(linitial_node(PlannedStmt, plan.statements)->planTree->targetlist);
	Tuplestorestate *rows = tuplestore_begin_heap(false, false, work_mem);
	DestReceiver *receiver = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(receiver, rows, CurrentMemoryContext, true, nullptr, nullptr);
	execute_plan(plan, parameters_of(binding, batch), receiver);

	TupleTableSlot *row = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	(void)tuplestore_gettupleslot(rows, true, true, row);
	slot_getallattrs(row);
	const ParamListInfo parameters = makeParamList(columns->natts);
	for (int i = 0; i < columns->natts; i++)
		parameters->params[i] = {row->tts_values[i], row->tts_isnull[i], 0, TupleDescAttr(columns, i)->atttypid};
	return parameters;
}

} // namespace contact_sync
