// A consumer group in the classic protocol. Its members join, which makes a new generation; the leader among them
// decides who gets what and tells with its SyncGroup; from then on they send heartbeats, until somebody comes or goes
// and all join again. Nothing of it outlives the process: members that are not known any more join again, and go on
// from the offsets that are committed.
import { channel } from "node:diagnostics_channel";
import type { Clock, Timer } from "@strandlog/log";
import { ErrorCode } from "@strandlog/protocol";
import { groupMembersMax } from "../limits.js";
import { type Joining, type JoinResult, Member, noAssignment, type SyncResult } from "./member.js";

export type GroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable";

/** After each rebalance: the group, its generation, how many are in it. */
const rebalances = channel("strandlog:rebalance");

/** Who asks. */
export interface Identity {
  readonly memberId: string;
  readonly instanceId: string | null;
}

export class ConsumerGroup {
  readonly id: string;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  /** Of static members: which member id each instance has now. */
  readonly #instances = new Map<string, string>();
  /** Ids that were given out and have not been used yet. */
  readonly #pending = new Map<string, Timer>();
  #state: GroupState = "Empty";
  #generation = 0;
  #protocolType: string | null = null;
  #protocol: string | null = null;
  #leader: string | undefined;
  /** Ends the wait for those that have not joined, or not synced. */
  #deadline: Timer | undefined;
  readonly #idle: () => void;

  /** `idle` is called when nobody is there or expected any more. */
  constructor(id: string, clock: Clock, idle: () => void) {
    this.id = id;
    this.#clock = clock;
    this.#idle = idle;
  }

  get state(): GroupState {
    return this.#state;
  }
  get protocolType(): string {
    return this.#protocolType ?? "";
  }
  get protocol(): string {
    return this.#protocol ?? "";
  }
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }
  /** What a member wants, in the words of the protocol that was chosen. */
  subscriptionOf(memberId: string): Buffer {
    return this.#members.get(memberId)?.metadataFor(this.protocol) ?? noAssignment;
  }
  /** Nobody is there or expected. */
  get isIdle(): boolean {
    return this.#members.size === 0 && this.#pending.size === 0;
  }

  /** `mustKnowId`: a new member first gets an id and comes back with it, so that lost answers leave no ghosts. */
  async join(memberId: string, about: Joining, mustKnowId: boolean): Promise<JoinResult> {
    const refuse = (errorCode: number): JoinResult => ({ errorCode, memberId });
    if (!this.#accepts(about)) return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    if (memberId === "") return this.#joinNew(about, mustKnowId);
    const pending = this.#pending.get(memberId);
    if (pending !== undefined && about.instanceId === null) {
      pending.cancel();
      this.#pending.delete(memberId);
      return this.#add(memberId, about);
    }
    const [member, errorCode] = this.#identify({ memberId, instanceId: about.instanceId });
    if (member === undefined) return refuse(errorCode);
    this.#keepAlive(member);
    const isSame = member.matches(about.protocols);
    const isSettled =
      (this.#state === "CompletingRebalance" && isSame) ||
      (this.#state === "Stable" && isSame && member.id !== this.#leader);
    return isSettled ? this.#joinResult(member) : this.#rejoin(member, about);
  }

  async sync(
    identity: Identity,
    generation: number,
    protocol: { readonly type: string | null; readonly name: string | null },
    assignments: ReadonlyMap<string, Buffer>,
  ): Promise<SyncResult> {
    const refuse = (errorCode: number): SyncResult => ({ errorCode, assignment: noAssignment });
    const [member, errorCode] = this.#check(identity, generation);
    if (member === undefined) return refuse(errorCode);
    const isOther =
      (protocol.type !== null && protocol.type !== this.#protocolType) ||
      (protocol.name !== null && protocol.name !== this.#protocol);
    if (isOther) return refuse(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    this.#keepAlive(member);
    if (this.#state === "PreparingRebalance") return refuse(ErrorCode.REBALANCE_IN_PROGRESS);
    member.mustSync = false;
    if (this.#state === "Stable") return this.#syncResult(member);
    const result = member.awaitSync(refuse(ErrorCode.REBALANCE_IN_PROGRESS));
    this.#keepAlive(member);
    if (member.id === this.#leader) this.#assign(assignments);
    return result;
  }

  heartbeat(identity: Identity, generation: number): number {
    const [member, errorCode] = this.#check(identity, generation);
    if (member === undefined) return errorCode;
    this.#keepAlive(member);
    return this.#state === "PreparingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  leave({ memberId, instanceId }: Identity): number {
    const pending = this.#pending.get(memberId);
    if (pending !== undefined) {
      pending.cancel();
      this.#pending.delete(memberId);
      this.#joinedEnough();
      if (this.isIdle) this.#idle();
      return ErrorCode.NONE;
    }
    // Who removes a static member need not know its id.
    const known = instanceId === null ? memberId : this.#instances.get(instanceId);
    const [member, errorCode] = this.#identify({
      memberId: memberId === "" && known !== undefined ? known : memberId,
      instanceId,
    });
    if (member === undefined) return errorCode;
    this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    return ErrorCode.NONE;
  }

  /** Whether the offsets of such a member may be committed. Without a generation: of somebody outside of the group. */
  mayCommit(identity: Identity, generation: number): number {
    if (generation < 0 && this.#state === "Empty") return ErrorCode.NONE;
    const [member, errorCode] = this.#check(identity, generation);
    if (member === undefined) return errorCode;
    this.#keepAlive(member);
    return this.#state === "CompletingRebalance" ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
  }

  /** Lets everybody go who waits: the broker stops. */
  close(): void {
    this.#deadline?.cancel();
    for (const timer of this.#pending.values()) timer.cancel();
    this.#pending.clear();
    for (const member of this.#members.values()) {
      member.session?.cancel();
      member.joined({ errorCode: ErrorCode.NOT_COORDINATOR, memberId: member.id });
      member.synced({ errorCode: ErrorCode.NOT_COORDINATOR, assignment: noAssignment });
    }
    this.#members.clear();
    this.#instances.clear();
  }

  #joinNew(about: Joining, mustKnowId: boolean): JoinResult | Promise<JoinResult> {
    const { instanceId, clientId } = about;
    if (this.#members.size + this.#pending.size >= groupMembersMax) {
      return { errorCode: ErrorCode.GROUP_MAX_SIZE_REACHED, memberId: "" };
    }
    const memberId = `${instanceId ?? clientId}-${this.#clock.randomBytes(16).toString("hex")}`;
    const replaced = instanceId === null ? undefined : this.#instances.get(instanceId);
    if (replaced !== undefined) return this.#replace(this.#members.get(replaced) as Member, memberId, about);
    if (instanceId !== null || !mustKnowId) return this.#add(memberId, about);
    const timer = this.#clock.startTimer(about.sessionTimeoutMs, () => {
      this.#pending.delete(memberId);
      this.#joinedEnough();
      if (this.isIdle) this.#idle();
    });
    this.#pending.set(memberId, timer);
    return { errorCode: ErrorCode.MEMBER_ID_REQUIRED, memberId };
  }

  #add(memberId: string, about: Joining): Promise<JoinResult> {
    const member = new Member(memberId, about);
    if (this.#members.size === 0) this.#protocolType = about.protocolType;
    this.#members.set(memberId, member);
    if (about.instanceId !== null) this.#instances.set(about.instanceId, memberId);
    return this.#rejoin(member, about);
  }

  /** A static member that comes back, with nothing but its instance's name: whoever has its old id is out. */
  #replace(old: Member, memberId: string, about: Joining): JoinResult | Promise<JoinResult> {
    const member = new Member(memberId, about);
    member.assignment = old.assignment;
    this.#members.delete(old.id);
    old.session?.cancel();
    old.joined({ errorCode: ErrorCode.FENCED_INSTANCE_ID, memberId: old.id });
    old.synced({ errorCode: ErrorCode.FENCED_INSTANCE_ID, assignment: noAssignment });
    this.#members.set(memberId, member);
    this.#instances.set(about.instanceId as string, memberId);
    if (this.#leader === old.id) this.#leader = memberId;
    const isSame =
      this.#protocol !== null && old.metadataFor(this.#protocol).equals(member.metadataFor(this.#protocol));
    if (this.#state !== "Stable" || !isSame) return this.#rejoin(member, about);
    this.#keepAlive(member);
    return { ...this.#joinResult(member), skipAssignment: this.#leader === memberId };
  }

  #rejoin(member: Member, about: Joining): Promise<JoinResult> {
    member.about = { ...about, instanceId: member.about.instanceId };
    const result = member.awaitJoin({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, memberId: member.id });
    this.#keepAlive(member);
    this.#rebalance();
    return result;
  }

  /** Everybody has to join again, within the longest time that one of them has asked for. */
  #rebalance(): void {
    if (this.#state !== "PreparingRebalance") {
      for (const member of this.#members.values()) {
        member.assignment = noAssignment;
        if (!member.isSyncing) continue;
        member.synced({ errorCode: ErrorCode.REBALANCE_IN_PROGRESS, assignment: noAssignment });
        this.#keepAlive(member);
      }
      this.#state = "PreparingRebalance";
      this.#startDeadline(() => this.#complete());
    }
    this.#joinedEnough();
  }

  #joinedEnough(): void {
    if (this.#state !== "PreparingRebalance" || this.#pending.size > 0) return;
    if (this.members.every(({ isJoining }) => isJoining)) this.#complete();
  }

  /** Makes a generation of those who have joined. Static members may stay away until their session ends. */
  #complete(): void {
    this.#deadline?.cancel();
    for (const member of this.members) {
      if (!member.isJoining && member.about.instanceId === null) this.#forget(member);
    }
    const joined = this.members.filter(({ isJoining }) => isJoining);
    if (this.#members.size > 0 && joined.length === 0) {
      this.#startDeadline(() => this.#complete());
      return;
    }
    this.#generation++;
    if (rebalances.hasSubscribers) {
      rebalances.publish({ group: this.id, generation: this.#generation, members: this.#members.size });
    }
    if (joined.length === 0) {
      this.#state = "Empty";
      this.#protocol = null;
      this.#leader = undefined;
      if (this.isIdle) this.#idle();
      return;
    }
    if (!joined.some(({ id }) => id === this.#leader)) this.#leader = (joined[0] as Member).id;
    this.#protocol = this.#vote();
    this.#state = "CompletingRebalance";
    this.#startDeadline(() => this.#dropUnsynced());
    for (const member of this.members) member.mustSync = member.isJoining;
    for (const member of joined) {
      member.joined(this.#joinResult(member));
      this.#keepAlive(member);
    }
  }

  /** The leader's decision: who is not in it gets nothing. */
  #assign(assignments: ReadonlyMap<string, Buffer>): void {
    this.#state = "Stable";
    for (const member of this.#members.values()) {
      member.assignment = assignments.get(member.id) ?? noAssignment;
      if (!member.isSyncing) continue;
      member.synced(this.#syncResult(member));
      this.#keepAlive(member);
    }
  }

  /** Static ones, too: they would keep partitions that nobody reads. */
  #dropUnsynced(): void {
    const late = this.members.filter(({ mustSync }) => mustSync);
    if (late.length === 0) return;
    for (const member of late) this.#forget(member);
    this.#rebalance();
  }

  #startDeadline(expired: () => void): void {
    this.#deadline?.cancel();
    const longest = Math.max(0, ...this.members.map(({ about }) => about.rebalanceTimeoutMs));
    this.#deadline = this.#clock.startTimer(longest, expired);
  }

  #remove(member: Member, errorCode: number): void {
    this.#forget(member);
    member.joined({ errorCode, memberId: member.id });
    member.synced({ errorCode, assignment: noAssignment });
    this.#rebalance();
  }

  #forget(member: Member): void {
    member.session?.cancel();
    this.#members.delete(member.id);
    const { instanceId } = member.about;
    if (instanceId !== null && this.#instances.get(instanceId) === member.id)
      this.#instances.delete(instanceId);
  }

  /** Who waits for an answer is alive: its session starts again when it has it. */
  #keepAlive(member: Member): void {
    member.session?.cancel();
    member.session = undefined;
    if (member.isJoining || member.isSyncing) return;
    member.session = this.#clock.startTimer(member.about.sessionTimeoutMs, () => {
      this.#remove(member, ErrorCode.UNKNOWN_MEMBER_ID);
    });
  }

  /** Whether a member of this kind can be in the group beside those that are in it. */
  #accepts({ protocolType, protocols }: Joining): boolean {
    if (protocolType === "" || protocols.length === 0) return false;
    if (this.#members.size === 0) return true;
    if (protocolType !== this.#protocolType) return false;
    return this.#common().some((name) => protocols.some((protocol) => protocol.name === name));
  }

  /** What all members know. */
  #common(): string[] {
    const [first, ...others] = this.members;
    const names = first?.about.protocols.map(({ name }) => name) ?? [];
    return names.filter((name) =>
      others.every(({ about }) => about.protocols.some((each) => each.name === name)),
    );
  }

  /** Each member votes for what it likes best among those that all know. */
  #vote(): string {
    const common = this.#common();
    const votes = new Map(common.map((name) => [name, 0]));
    for (const { about } of this.#members.values()) {
      const best = about.protocols.find(({ name }) => votes.has(name))?.name;
      if (best !== undefined) votes.set(best, (votes.get(best) as number) + 1);
    }
    return [...votes].reduce((best, each) => (each[1] > best[1] ? each : best))[0];
  }

  #check(identity: Identity, generation: number): [Member, 0] | [undefined, number] {
    const identified = this.#identify(identity);
    if (identified[0] === undefined || generation === this.#generation) return identified;
    return [undefined, ErrorCode.ILLEGAL_GENERATION];
  }

  #identify({ memberId, instanceId }: Identity): [Member, 0] | [undefined, number] {
    if (instanceId !== null) {
      const current = this.#instances.get(instanceId);
      if (current === undefined) return [undefined, ErrorCode.UNKNOWN_MEMBER_ID];
      if (current !== memberId) return [undefined, ErrorCode.FENCED_INSTANCE_ID];
    }
    const member = this.#members.get(memberId);
    return member === undefined ? [undefined, ErrorCode.UNKNOWN_MEMBER_ID] : [member, ErrorCode.NONE];
  }

  #joinResult(member: Member): JoinResult {
    const protocol = this.#protocol as string;
    const isLeader = member.id === this.#leader;
    return {
      errorCode: ErrorCode.NONE,
      memberId: member.id,
      generationId: this.#generation,
      protocolType: this.#protocolType,
      protocolName: protocol,
      leader: this.#leader as string,
      members: isLeader
        ? this.members.map((each) => ({
            memberId: each.id,
            groupInstanceId: each.about.instanceId,
            metadata: each.metadataFor(protocol),
          }))
        : [],
    };
  }

  #syncResult({ assignment }: Member): SyncResult {
    return {
      errorCode: ErrorCode.NONE,
      assignment,
      protocolType: this.#protocolType,
      protocolName: this.#protocol,
    };
  }
}
