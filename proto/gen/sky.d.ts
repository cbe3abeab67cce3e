// Generated from proto/sky/v1/*.proto by `npm run gen`. Do not edit.
import type * as $protobuf from "protobufjs/minimal.js";

export namespace sky {

    namespace v1 {

        interface IEnvelope extends sky.v1.Envelope.$Properties {
        }

        class Envelope {
            constructor(properties?: sky.v1.Envelope.$Properties);
            $unknowns?: Uint8Array[];
            incarnation: number;
            stream: number;
            seq: number;
            prepare: (sky.v1.Prepare|null);
            go: (sky.v1.Go|null);
            stop: (sky.v1.Stop|null);
            acknowledge: (sky.v1.Acknowledge|null);
            forget: (sky.v1.Forget|null);
            reportInventory: (sky.v1.ReportInventory|null);
            inspect: (sky.v1.Inspect|null);
            renewLease: (sky.v1.RenewLease|null);
            leave: (sky.v1.Leave|null);
            left: (sky.v1.Left|null);
            rankPrepared: (sky.v1.RankPrepared|null);
            rankRefused: (sky.v1.RankRefused|null);
            rankStarted: (sky.v1.RankStarted|null);
            rankExited: (sky.v1.RankExited|null);
            rankSwept: (sky.v1.RankSwept|null);
            inventory: (sky.v1.Inventory|null);
            inventoryPart: (sky.v1.InventoryPart|null);
            beat: (sky.v1.Beat|null);
            inspection: (sky.v1.Inspection|null);
            refusal: (sky.v1.Refusal|null);
            connect: (sky.v1.Connect|null);
            body?: ("prepare"|"go"|"stop"|"acknowledge"|"forget"|"reportInventory"|"inspect"|"renewLease"|"leave"|"left"|"rankPrepared"|"rankRefused"|"rankStarted"|"rankExited"|"rankSwept"|"inventory"|"inventoryPart"|"beat"|"inspection"|"refusal"|"connect");
            static encode(message: sky.v1.Envelope.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Envelope & sky.v1.Envelope.$Shape;
        }

        namespace Envelope {
            interface $Properties {
                incarnation?: number;
                stream?: number;
                seq?: number;
                prepare?: (sky.v1.Prepare.$Properties|null);
                go?: (sky.v1.Go.$Properties|null);
                stop?: (sky.v1.Stop.$Properties|null);
                acknowledge?: (sky.v1.Acknowledge.$Properties|null);
                forget?: (sky.v1.Forget.$Properties|null);
                reportInventory?: (sky.v1.ReportInventory.$Properties|null);
                inspect?: (sky.v1.Inspect.$Properties|null);
                renewLease?: (sky.v1.RenewLease.$Properties|null);
                leave?: (sky.v1.Leave.$Properties|null);
                left?: (sky.v1.Left.$Properties|null);
                rankPrepared?: (sky.v1.RankPrepared.$Properties|null);
                rankRefused?: (sky.v1.RankRefused.$Properties|null);
                rankStarted?: (sky.v1.RankStarted.$Properties|null);
                rankExited?: (sky.v1.RankExited.$Properties|null);
                rankSwept?: (sky.v1.RankSwept.$Properties|null);
                inventory?: (sky.v1.Inventory.$Properties|null);
                inventoryPart?: (sky.v1.InventoryPart.$Properties|null);
                beat?: (sky.v1.Beat.$Properties|null);
                inspection?: (sky.v1.Inspection.$Properties|null);
                refusal?: (sky.v1.Refusal.$Properties|null);
                connect?: (sky.v1.Connect.$Properties|null);
                body?: ("prepare"|"go"|"stop"|"acknowledge"|"forget"|"reportInventory"|"inspect"|"renewLease"|"leave"|"left"|"rankPrepared"|"rankRefused"|"rankStarted"|"rankExited"|"rankSwept"|"inventory"|"inventoryPart"|"beat"|"inspection"|"refusal"|"connect");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              incarnation?: number;
              stream?: number;
              seq?: number;
              prepare?: sky.v1.Prepare.$Shape|null;
              go?: sky.v1.Go.$Shape|null;
              stop?: sky.v1.Stop.$Shape|null;
              acknowledge?: sky.v1.Acknowledge.$Shape|null;
              forget?: sky.v1.Forget.$Shape|null;
              reportInventory?: sky.v1.ReportInventory.$Shape|null;
              inspect?: sky.v1.Inspect.$Shape|null;
              renewLease?: sky.v1.RenewLease.$Shape|null;
              leave?: sky.v1.Leave.$Shape|null;
              left?: sky.v1.Left.$Shape|null;
              rankPrepared?: sky.v1.RankPrepared.$Shape|null;
              rankRefused?: sky.v1.RankRefused.$Shape|null;
              rankStarted?: sky.v1.RankStarted.$Shape|null;
              rankExited?: sky.v1.RankExited.$Shape|null;
              rankSwept?: sky.v1.RankSwept.$Shape|null;
              inventory?: sky.v1.Inventory.$Shape|null;
              inventoryPart?: sky.v1.InventoryPart.$Shape|null;
              beat?: sky.v1.Beat.$Shape|null;
              inspection?: sky.v1.Inspection.$Shape|null;
              refusal?: sky.v1.Refusal.$Shape|null;
              connect?: sky.v1.Connect.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ body?: undefined; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "prepare"; prepare: sky.v1.Prepare.$Shape; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "go"; prepare?: null; go: sky.v1.Go.$Shape; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "stop"; prepare?: null; go?: null; stop: sky.v1.Stop.$Shape; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "acknowledge"; prepare?: null; go?: null; stop?: null; acknowledge: sky.v1.Acknowledge.$Shape; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "forget"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget: sky.v1.Forget.$Shape; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "reportInventory"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory: sky.v1.ReportInventory.$Shape; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "inspect"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect: sky.v1.Inspect.$Shape; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "renewLease"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease: sky.v1.RenewLease.$Shape; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "leave"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave: sky.v1.Leave.$Shape; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "left"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left: sky.v1.Left.$Shape; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "rankPrepared"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared: sky.v1.RankPrepared.$Shape; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "rankRefused"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused: sky.v1.RankRefused.$Shape; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "rankStarted"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted: sky.v1.RankStarted.$Shape; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "rankExited"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited: sky.v1.RankExited.$Shape; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "rankSwept"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept: sky.v1.RankSwept.$Shape; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "inventory"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory: sky.v1.Inventory.$Shape; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "inventoryPart"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart: sky.v1.InventoryPart.$Shape; beat?: null; inspection?: null; refusal?: null; connect?: null }|{ body?: "beat"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat: sky.v1.Beat.$Shape; inspection?: null; refusal?: null; connect?: null }|{ body?: "inspection"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection: sky.v1.Inspection.$Shape; refusal?: null; connect?: null }|{ body?: "refusal"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal: sky.v1.Refusal.$Shape; connect?: null }|{ body?: "connect"; prepare?: null; go?: null; stop?: null; acknowledge?: null; forget?: null; reportInventory?: null; inspect?: null; renewLease?: null; leave?: null; left?: null; rankPrepared?: null; rankRefused?: null; rankStarted?: null; rankExited?: null; rankSwept?: null; inventory?: null; inventoryPart?: null; beat?: null; inspection?: null; refusal?: null; connect: sky.v1.Connect.$Shape })
            );
        }

        interface IPrepare extends sky.v1.Prepare.$Properties {
        }

        class Prepare {
            constructor(properties?: sky.v1.Prepare.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            spec: sky.v1.RankSpec;
            bootId: (string|null);
            static encode(message: sky.v1.Prepare.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Prepare & sky.v1.Prepare.$Shape;
        }

        namespace Prepare {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                spec?: sky.v1.RankSpec.$Properties;
                bootId?: (string|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Prepare.$Properties;
        }

        interface IRankSpec extends sky.v1.RankSpec.$Properties {
        }

        class RankSpec {
            constructor(properties?: sky.v1.RankSpec.$Properties);
            $unknowns?: Uint8Array[];
            taskName: string;
            script: string;
            env: { [k: string]: string };
            secrets: { [k: string]: string };
            workdirSource: (string|null);
            goWhenReady: boolean;
            leaseMs: (number|null);
            workdirTree: (sky.v1.Tree|null);
            workdirTakers: (number|null);
            mounts: sky.v1.Mount[];
            static encode(message: sky.v1.RankSpec.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankSpec & sky.v1.RankSpec.$Shape;
        }

        namespace RankSpec {
            interface $Properties {
                taskName?: string;
                script?: string;
                env?: { [k: string]: string };
                secrets?: { [k: string]: string };
                workdirSource?: (string|null);
                goWhenReady?: boolean;
                leaseMs?: (number|null);
                workdirTree?: (sky.v1.Tree.$Properties|null);
                workdirTakers?: (number|null);
                mounts?: sky.v1.Mount.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankSpec.$Properties;
        }

        interface IMount extends sky.v1.Mount.$Properties {
        }

        class Mount {
            constructor(properties?: sky.v1.Mount.$Properties);
            $unknowns?: Uint8Array[];
            destination: string;
            tree: sky.v1.Tree;
            isFile: boolean;
            takers: (number|null);
            static encode(message: sky.v1.Mount.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Mount & sky.v1.Mount.$Shape;
        }

        namespace Mount {
            interface $Properties {
                destination?: string;
                tree?: sky.v1.Tree.$Properties;
                isFile?: boolean;
                takers?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Mount.$Properties;
        }

        interface IGo extends sky.v1.Go.$Properties {
        }

        class Go {
            constructor(properties?: sky.v1.Go.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            leaseFrom: (number|null);
            static encode(message: sky.v1.Go.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Go & sky.v1.Go.$Shape;
        }

        namespace Go {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                leaseFrom?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Go.$Properties;
        }

        interface IRenewLease extends sky.v1.RenewLease.$Properties {
        }

        class RenewLease {
            constructor(properties?: sky.v1.RenewLease.$Properties);
            $unknowns?: Uint8Array[];
            bootId: string;
            leaseFrom: number;
            static encode(message: sky.v1.RenewLease.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RenewLease & sky.v1.RenewLease.$Shape;
        }

        namespace RenewLease {
            interface $Properties {
                bootId?: string;
                leaseFrom?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RenewLease.$Properties;
        }

        interface IStop extends sky.v1.Stop.$Properties {
        }

        class Stop {
            constructor(properties?: sky.v1.Stop.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            graceMs: number;
            cause: sky.v1.StopCause;
            static encode(message: sky.v1.Stop.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Stop & sky.v1.Stop.$Shape;
        }

        namespace Stop {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                graceMs?: number;
                cause?: sky.v1.StopCause;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Stop.$Properties;
        }

        interface IAcknowledge extends sky.v1.Acknowledge.$Properties {
        }

        class Acknowledge {
            constructor(properties?: sky.v1.Acknowledge.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            static encode(message: sky.v1.Acknowledge.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Acknowledge & sky.v1.Acknowledge.$Shape;
        }

        namespace Acknowledge {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Acknowledge.$Properties;
        }

        interface IForget extends sky.v1.Forget.$Properties {
        }

        class Forget {
            constructor(properties?: sky.v1.Forget.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            static encode(message: sky.v1.Forget.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Forget & sky.v1.Forget.$Shape;
        }

        namespace Forget {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Forget.$Properties;
        }

        interface IReportInventory extends sky.v1.ReportInventory.$Properties {
        }

        class ReportInventory {
            constructor(properties?: sky.v1.ReportInventory.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.ReportInventory.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ReportInventory & sky.v1.ReportInventory.$Shape;
        }

        namespace ReportInventory {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ReportInventory.$Properties;
        }

        interface ILeave extends sky.v1.Leave.$Properties {
        }

        class Leave {
            constructor(properties?: sky.v1.Leave.$Properties);
            $unknowns?: Uint8Array[];
            remove: boolean;
            why: string;
            replyTo: sky.v1.Address;
            static encode(message: sky.v1.Leave.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Leave & sky.v1.Leave.$Shape;
        }

        namespace Leave {
            interface $Properties {
                remove?: boolean;
                why?: string;
                replyTo?: sky.v1.Address.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Leave.$Properties;
        }

        interface IConnect extends sky.v1.Connect.$Properties {
        }

        class Connect {
            constructor(properties?: sky.v1.Connect.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.Connect.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Connect & sky.v1.Connect.$Shape;
        }

        namespace Connect {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Connect.$Properties;
        }

        interface ILeft extends sky.v1.Left.$Properties {
        }

        class Left {
            constructor(properties?: sky.v1.Left.$Properties);
            $unknowns?: Uint8Array[];
            kept: string[];
            static encode(message: sky.v1.Left.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Left & sky.v1.Left.$Shape;
        }

        namespace Left {
            interface $Properties {
                kept?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Left.$Properties;
        }

        interface IInspect extends sky.v1.Inspect.$Properties {
        }

        class Inspect {
            constructor(properties?: sky.v1.Inspect.$Properties);
            $unknowns?: Uint8Array[];
            replyTo: sky.v1.Address;
            static encode(message: sky.v1.Inspect.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Inspect & sky.v1.Inspect.$Shape;
        }

        namespace Inspect {
            interface $Properties {
                replyTo?: sky.v1.Address.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Inspect.$Properties;
        }

        interface IInspection extends sky.v1.Inspection.$Properties {
        }

        class Inspection {
            constructor(properties?: sky.v1.Inspection.$Properties);
            $unknowns?: Uint8Array[];
            json: string;
            static encode(message: sky.v1.Inspection.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Inspection & sky.v1.Inspection.$Shape;
        }

        namespace Inspection {
            interface $Properties {
                json?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Inspection.$Properties;
        }

        interface IRankPrepared extends sky.v1.RankPrepared.$Properties {
        }

        class RankPrepared {
            constructor(properties?: sky.v1.RankPrepared.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            askedAt: (number|null);
            static encode(message: sky.v1.RankPrepared.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankPrepared & sky.v1.RankPrepared.$Shape;
        }

        namespace RankPrepared {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                askedAt?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankPrepared.$Properties;
        }

        interface IRankRefused extends sky.v1.RankRefused.$Properties {
        }

        class RankRefused {
            constructor(properties?: sky.v1.RankRefused.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            why: string;
            jobsFault: boolean;
            static encode(message: sky.v1.RankRefused.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankRefused & sky.v1.RankRefused.$Shape;
        }

        namespace RankRefused {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                why?: string;
                jobsFault?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankRefused.$Properties;
        }

        interface IRankStarted extends sky.v1.RankStarted.$Properties {
        }

        class RankStarted {
            constructor(properties?: sky.v1.RankStarted.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            pid: number;
            startedAt: number;
            place: sky.v1.RankPlace;
            static encode(message: sky.v1.RankStarted.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankStarted & sky.v1.RankStarted.$Shape;
        }

        namespace RankStarted {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                pid?: number;
                startedAt?: number;
                place?: sky.v1.RankPlace.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankStarted.$Properties;
        }

        interface IRankPlace extends sky.v1.RankPlace.$Properties {
        }

        class RankPlace {
            constructor(properties?: sky.v1.RankPlace.$Properties);
            $unknowns?: Uint8Array[];
            folder: string;
            inUseBy: (number|null);
            static encode(message: sky.v1.RankPlace.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankPlace & sky.v1.RankPlace.$Shape;
        }

        namespace RankPlace {
            interface $Properties {
                folder?: string;
                inUseBy?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankPlace.$Properties;
        }

        interface IRankExited extends sky.v1.RankExited.$Properties {
        }

        class RankExited {
            constructor(properties?: sky.v1.RankExited.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            exit: sky.v1.Exit;
            endedAt: number;
            logBytes: number;
            neverStarted: boolean;
            static encode(message: sky.v1.RankExited.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankExited & sky.v1.RankExited.$Shape;
        }

        namespace RankExited {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                exit?: sky.v1.Exit.$Properties;
                endedAt?: number;
                logBytes?: number;
                neverStarted?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              key?: sky.v1.RankKey.$Shape;
              exit?: sky.v1.Exit.$Shape;
              endedAt?: number;
              logBytes?: number;
              neverStarted?: boolean;
              $unknowns?: Uint8Array[];
            };
        }

        interface IRankSwept extends sky.v1.RankSwept.$Properties {
        }

        class RankSwept {
            constructor(properties?: sky.v1.RankSwept.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            sweep: sky.v1.Sweep;
            static encode(message: sky.v1.RankSwept.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankSwept & sky.v1.RankSwept.$Shape;
        }

        namespace RankSwept {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                sweep?: sky.v1.Sweep.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankSwept.$Properties;
        }

        interface IInventory extends sky.v1.Inventory.$Properties {
        }

        class Inventory {
            constructor(properties?: sky.v1.Inventory.$Properties);
            $unknowns?: Uint8Array[];
            bootId: string;
            capacity: sky.v1.Capacity;
            version: string;
            ranks: sky.v1.RankReport[];
            capabilities: string[];
            static encode(message: sky.v1.Inventory.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Inventory & sky.v1.Inventory.$Shape;
        }

        namespace Inventory {
            interface $Properties {
                bootId?: string;
                capacity?: sky.v1.Capacity.$Properties;
                version?: string;
                ranks?: sky.v1.RankReport.$Properties[];
                capabilities?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              bootId?: string;
              capacity?: sky.v1.Capacity.$Shape;
              version?: string;
              ranks?: sky.v1.RankReport.$Shape[];
              capabilities?: string[];
              $unknowns?: Uint8Array[];
            };
        }

        interface IInventoryPart extends sky.v1.InventoryPart.$Properties {
        }

        class InventoryPart {
            constructor(properties?: sky.v1.InventoryPart.$Properties);
            $unknowns?: Uint8Array[];
            snapshot: number;
            part: number;
            parts: number;
            inventory: sky.v1.Inventory;
            static encode(message: sky.v1.InventoryPart.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.InventoryPart & sky.v1.InventoryPart.$Shape;
        }

        namespace InventoryPart {
            interface $Properties {
                snapshot?: number;
                part?: number;
                parts?: number;
                inventory?: sky.v1.Inventory.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              snapshot?: number;
              part?: number;
              parts?: number;
              inventory?: sky.v1.Inventory.$Shape;
              $unknowns?: Uint8Array[];
            };
        }

        interface IRankReport extends sky.v1.RankReport.$Properties {
        }

        class RankReport {
            constructor(properties?: sky.v1.RankReport.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            phase: sky.v1.RankReportPhase;
            pid: (number|null);
            startedAt: (number|null);
            exit: (sky.v1.Exit|null);
            endedAt: (number|null);
            logBytes: (number|null);
            sweep: (sky.v1.Sweep|null);
            place: sky.v1.RankPlace;
            static encode(message: sky.v1.RankReport.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankReport & sky.v1.RankReport.$Shape;
        }

        namespace RankReport {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                phase?: sky.v1.RankReportPhase;
                pid?: (number|null);
                startedAt?: (number|null);
                exit?: (sky.v1.Exit.$Properties|null);
                endedAt?: (number|null);
                logBytes?: (number|null);
                sweep?: (sky.v1.Sweep.$Properties|null);
                place?: sky.v1.RankPlace.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              key?: sky.v1.RankKey.$Shape;
              phase?: sky.v1.RankReportPhase;
              pid?: number|null;
              startedAt?: number|null;
              exit?: sky.v1.Exit.$Shape|null;
              endedAt?: number|null;
              logBytes?: number|null;
              sweep?: sky.v1.Sweep.$Shape|null;
              place?: sky.v1.RankPlace.$Shape;
              $unknowns?: Uint8Array[];
            };
        }

        enum RankReportPhase {
            RANK_REPORT_PHASE_UNSPECIFIED = 0,
            RANK_REPORT_PHASE_PREPARING = 1,
            RANK_REPORT_PHASE_READY = 2,
            RANK_REPORT_PHASE_RUNNING = 3,
            RANK_REPORT_PHASE_EXITED = 4
        }

        interface IBeat extends sky.v1.Beat.$Properties {
        }

        class Beat {
            constructor(properties?: sky.v1.Beat.$Properties);
            $unknowns?: Uint8Array[];
            seq: number;
            bootId: string;
            headSeq: number;
            askedAt: (number|null);
            static encode(message: sky.v1.Beat.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Beat & sky.v1.Beat.$Shape;
        }

        namespace Beat {
            interface $Properties {
                seq?: number;
                bootId?: string;
                headSeq?: number;
                askedAt?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Beat.$Properties;
        }

        interface IRefusal extends sky.v1.Refusal.$Properties {
        }

        class Refusal {
            constructor(properties?: sky.v1.Refusal.$Properties);
            $unknowns?: Uint8Array[];
            code: string;
            to: string;
            static encode(message: sky.v1.Refusal.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Refusal & sky.v1.Refusal.$Shape;
        }

        namespace Refusal {
            interface $Properties {
                code?: string;
                to?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Refusal.$Properties;
        }

        interface IAddress extends sky.v1.Address.$Properties {
        }

        class Address {
            constructor(properties?: sky.v1.Address.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            node: string;
            kind: string;
            id: string;
            static encode(message: sky.v1.Address.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Address & sky.v1.Address.$Shape;
        }

        namespace Address {
            interface $Properties {
                cluster?: string;
                node?: string;
                kind?: string;
                id?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Address.$Properties;
        }

        interface IRankKey extends sky.v1.RankKey.$Properties {
        }

        class RankKey {
            constructor(properties?: sky.v1.RankKey.$Properties);
            $unknowns?: Uint8Array[];
            job: number;
            attempt: number;
            phase: sky.v1.RankPhase;
            index: number;
            static encode(message: sky.v1.RankKey.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.RankKey & sky.v1.RankKey.$Shape;
        }

        namespace RankKey {
            interface $Properties {
                job?: number;
                attempt?: number;
                phase?: sky.v1.RankPhase;
                index?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.RankKey.$Properties;
        }

        enum RankPhase {
            RANK_PHASE_UNSPECIFIED = 0,
            RANK_PHASE_RUN = 1,
            RANK_PHASE_SETUP = 2
        }

        interface IExit extends sky.v1.Exit.$Properties {
        }

        class Exit {
            constructor(properties?: sky.v1.Exit.$Properties);
            $unknowns?: Uint8Array[];
            code: (number|null);
            signal: (sky.v1.ExitSignal|null);
            stopped: (sky.v1.StopCause|null);
            unknown: (sky.v1.ExitUnknown|null);
            kind?: ("code"|"signal"|"stopped"|"unknown");
            static encode(message: sky.v1.Exit.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Exit & sky.v1.Exit.$Shape;
        }

        namespace Exit {
            interface $Properties {
                code?: (number|null);
                signal?: (sky.v1.ExitSignal.$Properties|null);
                stopped?: (sky.v1.StopCause|null);
                unknown?: (sky.v1.ExitUnknown.$Properties|null);
                kind?: ("code"|"signal"|"stopped"|"unknown");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              code?: number|null;
              signal?: sky.v1.ExitSignal.$Shape|null;
              stopped?: sky.v1.StopCause|null;
              unknown?: sky.v1.ExitUnknown.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ kind?: undefined; code?: null; signal?: null; stopped?: null; unknown?: null }|{ kind?: "code"; code: number; signal?: null; stopped?: null; unknown?: null }|{ kind?: "signal"; code?: null; signal: sky.v1.ExitSignal.$Shape; stopped?: null; unknown?: null }|{ kind?: "stopped"; code?: null; signal?: null; stopped: sky.v1.StopCause; unknown?: null }|{ kind?: "unknown"; code?: null; signal?: null; stopped?: null; unknown: sky.v1.ExitUnknown.$Shape })
            );
        }

        interface IExitSignal extends sky.v1.ExitSignal.$Properties {
        }

        class ExitSignal {
            constructor(properties?: sky.v1.ExitSignal.$Properties);
            $unknowns?: Uint8Array[];
            signal: number;
            evidence: string;
            static encode(message: sky.v1.ExitSignal.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ExitSignal & sky.v1.ExitSignal.$Shape;
        }

        namespace ExitSignal {
            interface $Properties {
                signal?: number;
                evidence?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ExitSignal.$Properties;
        }

        interface IExitUnknown extends sky.v1.ExitUnknown.$Properties {
        }

        class ExitUnknown {
            constructor(properties?: sky.v1.ExitUnknown.$Properties);
            $unknowns?: Uint8Array[];
            evidence: string;
            static encode(message: sky.v1.ExitUnknown.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ExitUnknown & sky.v1.ExitUnknown.$Shape;
        }

        namespace ExitUnknown {
            interface $Properties {
                evidence?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ExitUnknown.$Properties;
        }

        enum StopCause {
            STOP_CAUSE_UNSPECIFIED = 0,
            STOP_CAUSE_PEER_FAILED = 1,
            STOP_CAUSE_CANCELLED = 2,
            STOP_CAUSE_NODE_LOST = 3,
            STOP_CAUSE_LEASE_EXPIRED = 4,
            STOP_CAUSE_TIMED_OUT = 5
        }

        interface IAccelerators extends sky.v1.Accelerators.$Properties {
        }

        class Accelerators {
            constructor(properties?: sky.v1.Accelerators.$Properties);
            $unknowns?: Uint8Array[];
            name: string;
            count: number;
            ids: number[];
            static encode(message: sky.v1.Accelerators.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Accelerators & sky.v1.Accelerators.$Shape;
        }

        namespace Accelerators {
            interface $Properties {
                name?: string;
                count?: number;
                ids?: number[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Accelerators.$Properties;
        }

        interface ICapacity extends sky.v1.Capacity.$Properties {
        }

        class Capacity {
            constructor(properties?: sky.v1.Capacity.$Properties);
            $unknowns?: Uint8Array[];
            cpus: number;
            memoryBytes: number;
            accelerators: sky.v1.Accelerators[];
            static encode(message: sky.v1.Capacity.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Capacity & sky.v1.Capacity.$Shape;
        }

        namespace Capacity {
            interface $Properties {
                cpus?: number;
                memoryBytes?: number;
                accelerators?: sky.v1.Accelerators.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Capacity.$Properties;
        }

        interface ISweep extends sky.v1.Sweep.$Properties {
        }

        class Sweep {
            constructor(properties?: sky.v1.Sweep.$Properties);
            $unknowns?: Uint8Array[];
            node: string;
            found: number;
            killed: number;
            survivors: number;
            unproven: string[];
            static encode(message: sky.v1.Sweep.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Sweep & sky.v1.Sweep.$Shape;
        }

        namespace Sweep {
            interface $Properties {
                node?: string;
                found?: number;
                killed?: number;
                survivors?: number;
                unproven?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Sweep.$Properties;
        }

        interface IErrorDetail extends sky.v1.ErrorDetail.$Properties {
        }

        class ErrorDetail {
            constructor(properties?: sky.v1.ErrorDetail.$Properties);
            $unknowns?: Uint8Array[];
            code: string;
            params: { [k: string]: string };
            text: string;
            static encode(message: sky.v1.ErrorDetail.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ErrorDetail & sky.v1.ErrorDetail.$Shape;
        }

        namespace ErrorDetail {
            interface $Properties {
                code?: string;
                params?: { [k: string]: string };
                text?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ErrorDetail.$Properties;
        }

        interface ITree extends sky.v1.Tree.$Properties {
        }

        class Tree {
            constructor(properties?: sky.v1.Tree.$Properties);
            $unknowns?: Uint8Array[];
            digest: string;
            bytes: number;
            static encode(message: sky.v1.Tree.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Tree & sky.v1.Tree.$Shape;
        }

        namespace Tree {
            interface $Properties {
                digest?: string;
                bytes?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Tree.$Properties;
        }

        interface ILaunchRequest extends sky.v1.LaunchRequest.$Properties {
        }

        class LaunchRequest {
            constructor(properties?: sky.v1.LaunchRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            numNodes: number;
            cpus: (number|null);
            memoryGb: (number|null);
            accelerators: (sky.v1.Accelerators|null);
            cloud: string;
            isolation: string;
            command: string;
            user: string;
            region: string;
            trustedHostKeys: string[];
            static encode(message: sky.v1.LaunchRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.LaunchRequest & sky.v1.LaunchRequest.$Shape;
        }

        namespace LaunchRequest {
            interface $Properties {
                cluster?: string;
                numNodes?: number;
                cpus?: (number|null);
                memoryGb?: (number|null);
                accelerators?: (sky.v1.Accelerators.$Properties|null);
                cloud?: string;
                isolation?: string;
                command?: string;
                user?: string;
                region?: string;
                trustedHostKeys?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.LaunchRequest.$Properties;
        }

        interface ILaunchResponse extends sky.v1.LaunchResponse.$Properties {
        }

        class LaunchResponse {
            constructor(properties?: sky.v1.LaunchResponse.$Properties);
            $unknowns?: Uint8Array[];
            progress: (sky.v1.NodeProgress|null);
            cluster: (sky.v1.Cluster|null);
            event?: ("progress"|"cluster");
            static encode(message: sky.v1.LaunchResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.LaunchResponse & sky.v1.LaunchResponse.$Shape;
        }

        namespace LaunchResponse {
            interface $Properties {
                progress?: (sky.v1.NodeProgress.$Properties|null);
                cluster?: (sky.v1.Cluster.$Properties|null);
                event?: ("progress"|"cluster");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              progress?: sky.v1.NodeProgress.$Shape|null;
              cluster?: sky.v1.Cluster.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ event?: undefined; progress?: null; cluster?: null }|{ event?: "progress"; progress: sky.v1.NodeProgress.$Shape; cluster?: null }|{ event?: "cluster"; progress?: null; cluster: sky.v1.Cluster.$Shape })
            );
        }

        interface INodeProgress extends sky.v1.NodeProgress.$Properties {
        }

        class NodeProgress {
            constructor(properties?: sky.v1.NodeProgress.$Properties);
            $unknowns?: Uint8Array[];
            nodesUp: number;
            nodesWanted: number;
            text: string;
            static encode(message: sky.v1.NodeProgress.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.NodeProgress & sky.v1.NodeProgress.$Shape;
        }

        namespace NodeProgress {
            interface $Properties {
                nodesUp?: number;
                nodesWanted?: number;
                text?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.NodeProgress.$Properties;
        }

        interface ICluster extends sky.v1.Cluster.$Properties {
        }

        class Cluster {
            constructor(properties?: sky.v1.Cluster.$Properties);
            $unknowns?: Uint8Array[];
            name: string;
            status: sky.v1.ClusterStatus;
            cloud: string;
            isolation: string;
            launchedAt: number;
            resources: string;
            command: string;
            nodes: sky.v1.Node[];
            autostop: (sky.v1.Autostop|null);
            user: string;
            lastUsedAt: number;
            busyWith: string;
            region: string;
            silentSince: (number|null);
            silentWhy: string;
            static encode(message: sky.v1.Cluster.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Cluster & sky.v1.Cluster.$Shape;
        }

        namespace Cluster {
            interface $Properties {
                name?: string;
                status?: sky.v1.ClusterStatus;
                cloud?: string;
                isolation?: string;
                launchedAt?: number;
                resources?: string;
                command?: string;
                nodes?: sky.v1.Node.$Properties[];
                autostop?: (sky.v1.Autostop.$Properties|null);
                user?: string;
                lastUsedAt?: number;
                busyWith?: string;
                region?: string;
                silentSince?: (number|null);
                silentWhy?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Cluster.$Properties;
        }

        enum ClusterStatus {
            CLUSTER_STATUS_UNSPECIFIED = 0,
            CLUSTER_STATUS_INIT = 1,
            CLUSTER_STATUS_UP = 2,
            CLUSTER_STATUS_STOPPING = 3,
            CLUSTER_STATUS_STOPPED = 4
        }

        interface INode extends sky.v1.Node.$Properties {
        }

        class Node {
            constructor(properties?: sky.v1.Node.$Properties);
            $unknowns?: Uint8Array[];
            id: string;
            index: number;
            ip: string;
            capacity: sky.v1.Capacity;
            phase: sky.v1.NodePhase;
            host: string;
            static encode(message: sky.v1.Node.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Node & sky.v1.Node.$Shape;
        }

        namespace Node {
            interface $Properties {
                id?: string;
                index?: number;
                ip?: string;
                capacity?: sky.v1.Capacity.$Properties;
                phase?: sky.v1.NodePhase;
                host?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Node.$Properties;
        }

        enum NodePhase {
            NODE_PHASE_UNSPECIFIED = 0,
            NODE_PHASE_ABSENT = 1,
            NODE_PHASE_ALIVE = 2,
            NODE_PHASE_SUSPECT = 3,
            NODE_PHASE_LOST = 4
        }

        interface IAutostop extends sky.v1.Autostop.$Properties {
        }

        class Autostop {
            constructor(properties?: sky.v1.Autostop.$Properties);
            $unknowns?: Uint8Array[];
            idleSeconds: number;
            down: boolean;
            verdict: string;
            idleSince: (number|null);
            static encode(message: sky.v1.Autostop.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Autostop & sky.v1.Autostop.$Shape;
        }

        namespace Autostop {
            interface $Properties {
                idleSeconds?: number;
                down?: boolean;
                verdict?: string;
                idleSince?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Autostop.$Properties;
        }

        interface IStatusRequest extends sky.v1.StatusRequest.$Properties {
        }

        class StatusRequest {
            constructor(properties?: sky.v1.StatusRequest.$Properties);
            $unknowns?: Uint8Array[];
            clusters: string[];
            refresh: boolean;
            static encode(message: sky.v1.StatusRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StatusRequest & sky.v1.StatusRequest.$Shape;
        }

        namespace StatusRequest {
            interface $Properties {
                clusters?: string[];
                refresh?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StatusRequest.$Properties;
        }

        interface IStatusResponse extends sky.v1.StatusResponse.$Properties {
        }

        class StatusResponse {
            constructor(properties?: sky.v1.StatusResponse.$Properties);
            $unknowns?: Uint8Array[];
            clusters: sky.v1.Cluster[];
            refreshed: sky.v1.Refreshed[];
            static encode(message: sky.v1.StatusResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StatusResponse & sky.v1.StatusResponse.$Shape;
        }

        namespace StatusResponse {
            interface $Properties {
                clusters?: sky.v1.Cluster.$Properties[];
                refreshed?: sky.v1.Refreshed.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StatusResponse.$Properties;
        }

        interface IRefreshed extends sky.v1.Refreshed.$Properties {
        }

        class Refreshed {
            constructor(properties?: sky.v1.Refreshed.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            text: string;
            failed: boolean;
            static encode(message: sky.v1.Refreshed.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Refreshed & sky.v1.Refreshed.$Shape;
        }

        namespace Refreshed {
            interface $Properties {
                cluster?: string;
                text?: string;
                failed?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Refreshed.$Properties;
        }

        interface IStartRequest extends sky.v1.StartRequest.$Properties {
        }

        class StartRequest {
            constructor(properties?: sky.v1.StartRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            force: boolean;
            autostop: (sky.v1.SetAutostopRequest|null);
            command: string;
            user: string;
            static encode(message: sky.v1.StartRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StartRequest & sky.v1.StartRequest.$Shape;
        }

        namespace StartRequest {
            interface $Properties {
                cluster?: string;
                force?: boolean;
                autostop?: (sky.v1.SetAutostopRequest.$Properties|null);
                command?: string;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StartRequest.$Properties;
        }

        interface IStartResponse extends sky.v1.StartResponse.$Properties {
        }

        class StartResponse {
            constructor(properties?: sky.v1.StartResponse.$Properties);
            $unknowns?: Uint8Array[];
            progress: (sky.v1.NodeProgress|null);
            cluster: (sky.v1.Cluster|null);
            event?: ("progress"|"cluster");
            static encode(message: sky.v1.StartResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StartResponse & sky.v1.StartResponse.$Shape;
        }

        namespace StartResponse {
            interface $Properties {
                progress?: (sky.v1.NodeProgress.$Properties|null);
                cluster?: (sky.v1.Cluster.$Properties|null);
                event?: ("progress"|"cluster");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              progress?: sky.v1.NodeProgress.$Shape|null;
              cluster?: sky.v1.Cluster.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ event?: undefined; progress?: null; cluster?: null }|{ event?: "progress"; progress: sky.v1.NodeProgress.$Shape; cluster?: null }|{ event?: "cluster"; progress?: null; cluster: sky.v1.Cluster.$Shape })
            );
        }

        interface IStopRequest extends sky.v1.StopRequest.$Properties {
        }

        class StopRequest {
            constructor(properties?: sky.v1.StopRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            user: string;
            static encode(message: sky.v1.StopRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StopRequest & sky.v1.StopRequest.$Shape;
        }

        namespace StopRequest {
            interface $Properties {
                cluster?: string;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StopRequest.$Properties;
        }

        interface IStopResponse extends sky.v1.StopResponse.$Properties {
        }

        class StopResponse {
            constructor(properties?: sky.v1.StopResponse.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.StopResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StopResponse & sky.v1.StopResponse.$Shape;
        }

        namespace StopResponse {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StopResponse.$Properties;
        }

        interface IDownRequest extends sky.v1.DownRequest.$Properties {
        }

        class DownRequest {
            constructor(properties?: sky.v1.DownRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            purge: boolean;
            user: string;
            static encode(message: sky.v1.DownRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.DownRequest & sky.v1.DownRequest.$Shape;
        }

        namespace DownRequest {
            interface $Properties {
                cluster?: string;
                purge?: boolean;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.DownRequest.$Properties;
        }

        interface IDownResponse extends sky.v1.DownResponse.$Properties {
        }

        class DownResponse {
            constructor(properties?: sky.v1.DownResponse.$Properties);
            $unknowns?: Uint8Array[];
            logsArchive: string;
            leftBehind: string;
            kept: string[];
            static encode(message: sky.v1.DownResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.DownResponse & sky.v1.DownResponse.$Shape;
        }

        namespace DownResponse {
            interface $Properties {
                logsArchive?: string;
                leftBehind?: string;
                kept?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.DownResponse.$Properties;
        }

        interface ISetAutostopRequest extends sky.v1.SetAutostopRequest.$Properties {
        }

        class SetAutostopRequest {
            constructor(properties?: sky.v1.SetAutostopRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            idleSeconds: number;
            down: boolean;
            static encode(message: sky.v1.SetAutostopRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.SetAutostopRequest & sky.v1.SetAutostopRequest.$Shape;
        }

        namespace SetAutostopRequest {
            interface $Properties {
                cluster?: string;
                idleSeconds?: number;
                down?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.SetAutostopRequest.$Properties;
        }

        interface ISetAutostopResponse extends sky.v1.SetAutostopResponse.$Properties {
        }

        class SetAutostopResponse {
            constructor(properties?: sky.v1.SetAutostopResponse.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.SetAutostopResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.SetAutostopResponse & sky.v1.SetAutostopResponse.$Shape;
        }

        namespace SetAutostopResponse {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.SetAutostopResponse.$Properties;
        }

        interface ICostReportRequest extends sky.v1.CostReportRequest.$Properties {
        }

        class CostReportRequest {
            constructor(properties?: sky.v1.CostReportRequest.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.CostReportRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.CostReportRequest & sky.v1.CostReportRequest.$Shape;
        }

        namespace CostReportRequest {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.CostReportRequest.$Properties;
        }

        interface ICostReportResponse extends sky.v1.CostReportResponse.$Properties {
        }

        class CostReportResponse {
            constructor(properties?: sky.v1.CostReportResponse.$Properties);
            $unknowns?: Uint8Array[];
            clusters: sky.v1.ClusterCost[];
            static encode(message: sky.v1.CostReportResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.CostReportResponse & sky.v1.CostReportResponse.$Shape;
        }

        namespace CostReportResponse {
            interface $Properties {
                clusters?: sky.v1.ClusterCost.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.CostReportResponse.$Properties;
        }

        interface IClusterCost extends sky.v1.ClusterCost.$Properties {
        }

        class ClusterCost {
            constructor(properties?: sky.v1.ClusterCost.$Properties);
            $unknowns?: Uint8Array[];
            name: string;
            launchedAt: number;
            durationMs: number;
            numNodes: number;
            resources: string;
            status: (sky.v1.ClusterStatus|null);
            costPerHour: (number|null);
            cost: (number|null);
            user: string;
            usage: sky.v1.UsageInterval[];
            static encode(message: sky.v1.ClusterCost.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ClusterCost & sky.v1.ClusterCost.$Shape;
        }

        namespace ClusterCost {
            interface $Properties {
                name?: string;
                launchedAt?: number;
                durationMs?: number;
                numNodes?: number;
                resources?: string;
                status?: (sky.v1.ClusterStatus|null);
                costPerHour?: (number|null);
                cost?: (number|null);
                user?: string;
                usage?: sky.v1.UsageInterval.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ClusterCost.$Properties;
        }

        interface IUsageInterval extends sky.v1.UsageInterval.$Properties {
        }

        class UsageInterval {
            constructor(properties?: sky.v1.UsageInterval.$Properties);
            $unknowns?: Uint8Array[];
            startedAt: number;
            endedAt: (number|null);
            static encode(message: sky.v1.UsageInterval.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.UsageInterval & sky.v1.UsageInterval.$Shape;
        }

        namespace UsageInterval {
            interface $Properties {
                startedAt?: number;
                endedAt?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.UsageInterval.$Properties;
        }

        interface ITask extends sky.v1.Task.$Properties {
        }

        class Task {
            constructor(properties?: sky.v1.Task.$Properties);
            $unknowns?: Uint8Array[];
            name: (string|null);
            workdir: (string|null);
            numNodes: number;
            cpus: (sky.v1.AtLeast|null);
            memoryGb: (sky.v1.AtLeast|null);
            accelerators: (sky.v1.Accelerators|null);
            envs: sky.v1.EnvVar[];
            secrets: sky.v1.EnvVar[];
            setup: (string|null);
            run: (string|null);
            priority: number;
            maxRestarts: number;
            cloud: (string|null);
            fileMounts: sky.v1.FileMount[];
            timeoutMs: (number|null);
            config: (sky.v1.TaskConfig|null);
            workdirTree: (sky.v1.Tree|null);
            static encode(message: sky.v1.Task.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Task & sky.v1.Task.$Shape;
        }

        namespace Task {
            interface $Properties {
                name?: (string|null);
                workdir?: (string|null);
                numNodes?: number;
                cpus?: (sky.v1.AtLeast.$Properties|null);
                memoryGb?: (sky.v1.AtLeast.$Properties|null);
                accelerators?: (sky.v1.Accelerators.$Properties|null);
                envs?: sky.v1.EnvVar.$Properties[];
                secrets?: sky.v1.EnvVar.$Properties[];
                setup?: (string|null);
                run?: (string|null);
                priority?: number;
                maxRestarts?: number;
                cloud?: (string|null);
                fileMounts?: sky.v1.FileMount.$Properties[];
                timeoutMs?: (number|null);
                config?: (sky.v1.TaskConfig.$Properties|null);
                workdirTree?: (sky.v1.Tree.$Properties|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Task.$Properties;
        }

        interface IFileMount extends sky.v1.FileMount.$Properties {
        }

        class FileMount {
            constructor(properties?: sky.v1.FileMount.$Properties);
            $unknowns?: Uint8Array[];
            destination: string;
            source: string;
            tree: (sky.v1.Tree|null);
            isFile: boolean;
            static encode(message: sky.v1.FileMount.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.FileMount & sky.v1.FileMount.$Shape;
        }

        namespace FileMount {
            interface $Properties {
                destination?: string;
                source?: string;
                tree?: (sky.v1.Tree.$Properties|null);
                isFile?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.FileMount.$Properties;
        }

        interface ITaskConfig extends sky.v1.TaskConfig.$Properties {
        }

        class TaskConfig {
            constructor(properties?: sky.v1.TaskConfig.$Properties);
            $unknowns?: Uint8Array[];
            graceMs: (number|null);
            leaseMs: (number|null);
            static encode(message: sky.v1.TaskConfig.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TaskConfig & sky.v1.TaskConfig.$Shape;
        }

        namespace TaskConfig {
            interface $Properties {
                graceMs?: (number|null);
                leaseMs?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TaskConfig.$Properties;
        }

        interface IAtLeast extends sky.v1.AtLeast.$Properties {
        }

        class AtLeast {
            constructor(properties?: sky.v1.AtLeast.$Properties);
            $unknowns?: Uint8Array[];
            amount: number;
            orMore: boolean;
            static encode(message: sky.v1.AtLeast.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.AtLeast & sky.v1.AtLeast.$Shape;
        }

        namespace AtLeast {
            interface $Properties {
                amount?: number;
                orMore?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.AtLeast.$Properties;
        }

        interface IEnvVar extends sky.v1.EnvVar.$Properties {
        }

        class EnvVar {
            constructor(properties?: sky.v1.EnvVar.$Properties);
            $unknowns?: Uint8Array[];
            name: string;
            value: string;
            static encode(message: sky.v1.EnvVar.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.EnvVar & sky.v1.EnvVar.$Shape;
        }

        namespace EnvVar {
            interface $Properties {
                name?: string;
                value?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.EnvVar.$Properties;
        }

        interface ISubmitRequest extends sky.v1.SubmitRequest.$Properties {
        }

        class SubmitRequest {
            constructor(properties?: sky.v1.SubmitRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            tasks: sky.v1.Task[];
            idempotencyKey: string;
            user: string;
            noSetup: boolean;
            autostop: (sky.v1.SetAutostopRequest|null);
            command: string;
            allNodes: boolean;
            static encode(message: sky.v1.SubmitRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.SubmitRequest & sky.v1.SubmitRequest.$Shape;
        }

        namespace SubmitRequest {
            interface $Properties {
                cluster?: string;
                tasks?: sky.v1.Task.$Properties[];
                idempotencyKey?: string;
                user?: string;
                noSetup?: boolean;
                autostop?: (sky.v1.SetAutostopRequest.$Properties|null);
                command?: string;
                allNodes?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.SubmitRequest.$Properties;
        }

        interface ISubmitResponse extends sky.v1.SubmitResponse.$Properties {
        }

        class SubmitResponse {
            constructor(properties?: sky.v1.SubmitResponse.$Properties);
            $unknowns?: Uint8Array[];
            jobIds: number[];
            static encode(message: sky.v1.SubmitResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.SubmitResponse & sky.v1.SubmitResponse.$Shape;
        }

        namespace SubmitResponse {
            interface $Properties {
                jobIds?: number[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.SubmitResponse.$Properties;
        }

        interface IJob extends sky.v1.Job.$Properties {
        }

        class Job {
            constructor(properties?: sky.v1.Job.$Properties);
            $unknowns?: Uint8Array[];
            id: number;
            name: string;
            user: string;
            status: sky.v1.JobStatus;
            phase: string;
            submittedAt: number;
            startedAt: (number|null);
            endedAt: (number|null);
            resources: string;
            numNodes: number;
            attempt: number;
            ranks: sky.v1.Rank[];
            reason: string;
            reasonText: string;
            waitingFor: string;
            sweeps: sky.v1.Sweep[];
            setups: sky.v1.Rank[];
            reasonParams: { [k: string]: string };
            static encode(message: sky.v1.Job.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Job & sky.v1.Job.$Shape;
        }

        namespace Job {
            interface $Properties {
                id?: number;
                name?: string;
                user?: string;
                status?: sky.v1.JobStatus;
                phase?: string;
                submittedAt?: number;
                startedAt?: (number|null);
                endedAt?: (number|null);
                resources?: string;
                numNodes?: number;
                attempt?: number;
                ranks?: sky.v1.Rank.$Properties[];
                reason?: string;
                reasonText?: string;
                waitingFor?: string;
                sweeps?: sky.v1.Sweep.$Properties[];
                setups?: sky.v1.Rank.$Properties[];
                reasonParams?: { [k: string]: string };
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              id?: number;
              name?: string;
              user?: string;
              status?: sky.v1.JobStatus;
              phase?: string;
              submittedAt?: number;
              startedAt?: number|null;
              endedAt?: number|null;
              resources?: string;
              numNodes?: number;
              attempt?: number;
              ranks?: sky.v1.Rank.$Shape[];
              reason?: string;
              reasonText?: string;
              waitingFor?: string;
              sweeps?: sky.v1.Sweep.$Shape[];
              setups?: sky.v1.Rank.$Shape[];
              reasonParams?: { [k: string]: string };
              $unknowns?: Uint8Array[];
            };
        }

        enum JobStatus {
            JOB_STATUS_UNSPECIFIED = 0,
            JOB_STATUS_INIT = 1,
            JOB_STATUS_PENDING = 2,
            JOB_STATUS_SETTING_UP = 3,
            JOB_STATUS_RUNNING = 4,
            JOB_STATUS_SUCCEEDED = 5,
            JOB_STATUS_FAILED = 6,
            JOB_STATUS_FAILED_SETUP = 7,
            JOB_STATUS_CANCELLED = 8
        }

        interface IRank extends sky.v1.Rank.$Properties {
        }

        class Rank {
            constructor(properties?: sky.v1.Rank.$Properties);
            $unknowns?: Uint8Array[];
            rank: number;
            node: string;
            ip: string;
            pid: (number|null);
            startedAt: (number|null);
            endedAt: (number|null);
            exit: (sky.v1.Exit|null);
            logBytes: (number|null);
            static encode(message: sky.v1.Rank.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Rank & sky.v1.Rank.$Shape;
        }

        namespace Rank {
            interface $Properties {
                rank?: number;
                node?: string;
                ip?: string;
                pid?: (number|null);
                startedAt?: (number|null);
                endedAt?: (number|null);
                exit?: (sky.v1.Exit.$Properties|null);
                logBytes?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              rank?: number;
              node?: string;
              ip?: string;
              pid?: number|null;
              startedAt?: number|null;
              endedAt?: number|null;
              exit?: sky.v1.Exit.$Shape|null;
              logBytes?: number|null;
              $unknowns?: Uint8Array[];
            };
        }

        interface IListJobsRequest extends sky.v1.ListJobsRequest.$Properties {
        }

        class ListJobsRequest {
            constructor(properties?: sky.v1.ListJobsRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            skipFinished: boolean;
            before: number;
            limit: number;
            user: string;
            static encode(message: sky.v1.ListJobsRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ListJobsRequest & sky.v1.ListJobsRequest.$Shape;
        }

        namespace ListJobsRequest {
            interface $Properties {
                cluster?: string;
                skipFinished?: boolean;
                before?: number;
                limit?: number;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ListJobsRequest.$Properties;
        }

        interface IListJobsResponse extends sky.v1.ListJobsResponse.$Properties {
        }

        class ListJobsResponse {
            constructor(properties?: sky.v1.ListJobsResponse.$Properties);
            $unknowns?: Uint8Array[];
            jobs: sky.v1.Job[];
            nextBefore: number;
            static encode(message: sky.v1.ListJobsResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ListJobsResponse & sky.v1.ListJobsResponse.$Shape;
        }

        namespace ListJobsResponse {
            interface $Properties {
                jobs?: sky.v1.Job.$Properties[];
                nextBefore?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              jobs?: sky.v1.Job.$Shape[];
              nextBefore?: number;
              $unknowns?: Uint8Array[];
            };
        }

        interface IGetJobRequest extends sky.v1.GetJobRequest.$Properties {
        }

        class GetJobRequest {
            constructor(properties?: sky.v1.GetJobRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            job: number;
            static encode(message: sky.v1.GetJobRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.GetJobRequest & sky.v1.GetJobRequest.$Shape;
        }

        namespace GetJobRequest {
            interface $Properties {
                cluster?: string;
                job?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.GetJobRequest.$Properties;
        }

        interface IGetJobResponse extends sky.v1.GetJobResponse.$Properties {
        }

        class GetJobResponse {
            constructor(properties?: sky.v1.GetJobResponse.$Properties);
            $unknowns?: Uint8Array[];
            job: sky.v1.Job;
            static encode(message: sky.v1.GetJobResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.GetJobResponse & sky.v1.GetJobResponse.$Shape;
        }

        namespace GetJobResponse {
            interface $Properties {
                job?: sky.v1.Job.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              job?: sky.v1.Job.$Shape;
              $unknowns?: Uint8Array[];
            };
        }

        interface ICancelRequest extends sky.v1.CancelRequest.$Properties {
        }

        class CancelRequest {
            constructor(properties?: sky.v1.CancelRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            jobs: number[];
            all: boolean;
            user: string;
            static encode(message: sky.v1.CancelRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.CancelRequest & sky.v1.CancelRequest.$Shape;
        }

        namespace CancelRequest {
            interface $Properties {
                cluster?: string;
                jobs?: number[];
                all?: boolean;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.CancelRequest.$Properties;
        }

        interface ICancelResponse extends sky.v1.CancelResponse.$Properties {
        }

        class CancelResponse {
            constructor(properties?: sky.v1.CancelResponse.$Properties);
            $unknowns?: Uint8Array[];
            cancelled: number[];
            static encode(message: sky.v1.CancelResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.CancelResponse & sky.v1.CancelResponse.$Shape;
        }

        namespace CancelResponse {
            interface $Properties {
                cancelled?: number[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.CancelResponse.$Properties;
        }

        interface ITailLogsRequest extends sky.v1.TailLogsRequest.$Properties {
        }

        class TailLogsRequest {
            constructor(properties?: sky.v1.TailLogsRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            job: number;
            follow: boolean;
            offsets: sky.v1.LogOffset[];
            ranks: number[];
            tailLines: number;
            static encode(message: sky.v1.TailLogsRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TailLogsRequest & sky.v1.TailLogsRequest.$Shape;
        }

        namespace TailLogsRequest {
            interface $Properties {
                cluster?: string;
                job?: number;
                follow?: boolean;
                offsets?: sky.v1.LogOffset.$Properties[];
                ranks?: number[];
                tailLines?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TailLogsRequest.$Properties;
        }

        interface ILogOffset extends sky.v1.LogOffset.$Properties {
        }

        class LogOffset {
            constructor(properties?: sky.v1.LogOffset.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            offset: number;
            static encode(message: sky.v1.LogOffset.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.LogOffset & sky.v1.LogOffset.$Shape;
        }

        namespace LogOffset {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                offset?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.LogOffset.$Properties;
        }

        interface ITailLogsResponse extends sky.v1.TailLogsResponse.$Properties {
        }

        class TailLogsResponse {
            constructor(properties?: sky.v1.TailLogsResponse.$Properties);
            $unknowns?: Uint8Array[];
            job: (sky.v1.Job|null);
            chunk: (sky.v1.LogChunk|null);
            ended: (sky.v1.Job|null);
            event?: ("job"|"chunk"|"ended");
            static encode(message: sky.v1.TailLogsResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TailLogsResponse & sky.v1.TailLogsResponse.$Shape;
        }

        namespace TailLogsResponse {
            interface $Properties {
                job?: (sky.v1.Job.$Properties|null);
                chunk?: (sky.v1.LogChunk.$Properties|null);
                ended?: (sky.v1.Job.$Properties|null);
                event?: ("job"|"chunk"|"ended");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              job?: sky.v1.Job.$Shape|null;
              chunk?: sky.v1.LogChunk.$Shape|null;
              ended?: sky.v1.Job.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ event?: undefined; job?: null; chunk?: null; ended?: null }|{ event?: "job"; job: sky.v1.Job.$Shape; chunk?: null; ended?: null }|{ event?: "chunk"; job?: null; chunk: sky.v1.LogChunk.$Shape; ended?: null }|{ event?: "ended"; job?: null; chunk?: null; ended: sky.v1.Job.$Shape })
            );
        }

        interface ILogChunk extends sky.v1.LogChunk.$Properties {
        }

        class LogChunk {
            constructor(properties?: sky.v1.LogChunk.$Properties);
            $unknowns?: Uint8Array[];
            key: sky.v1.RankKey;
            offset: number;
            data: Uint8Array;
            static encode(message: sky.v1.LogChunk.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.LogChunk & sky.v1.LogChunk.$Shape;
        }

        namespace LogChunk {
            interface $Properties {
                key?: sky.v1.RankKey.$Properties;
                offset?: number;
                data?: Uint8Array;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.LogChunk.$Properties;
        }

        interface IWatchEventsRequest extends sky.v1.WatchEventsRequest.$Properties {
        }

        class WatchEventsRequest {
            constructor(properties?: sky.v1.WatchEventsRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            job: number;
            afterSeq: number;
            follow: boolean;
            static encode(message: sky.v1.WatchEventsRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.WatchEventsRequest & sky.v1.WatchEventsRequest.$Shape;
        }

        namespace WatchEventsRequest {
            interface $Properties {
                cluster?: string;
                job?: number;
                afterSeq?: number;
                follow?: boolean;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.WatchEventsRequest.$Properties;
        }

        interface IWatchEventsResponse extends sky.v1.WatchEventsResponse.$Properties {
        }

        class WatchEventsResponse {
            constructor(properties?: sky.v1.WatchEventsResponse.$Properties);
            $unknowns?: Uint8Array[];
            event: sky.v1.Event;
            static encode(message: sky.v1.WatchEventsResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.WatchEventsResponse & sky.v1.WatchEventsResponse.$Shape;
        }

        namespace WatchEventsResponse {
            interface $Properties {
                event?: sky.v1.Event.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.WatchEventsResponse.$Properties;
        }

        interface IEvent extends sky.v1.Event.$Properties {
        }

        class Event {
            constructor(properties?: sky.v1.Event.$Properties);
            $unknowns?: Uint8Array[];
            seq: number;
            at: number;
            subject: string;
            actor: string;
            kind: string;
            from: string;
            to: string;
            cause: string;
            evidence: { [k: string]: string };
            static encode(message: sky.v1.Event.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Event & sky.v1.Event.$Shape;
        }

        namespace Event {
            interface $Properties {
                seq?: number;
                at?: number;
                subject?: string;
                actor?: string;
                kind?: string;
                from?: string;
                to?: string;
                cause?: string;
                evidence?: { [k: string]: string };
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Event.$Properties;
        }

        interface IWhyRequest extends sky.v1.WhyRequest.$Properties {
        }

        class WhyRequest {
            constructor(properties?: sky.v1.WhyRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            job: number;
            static encode(message: sky.v1.WhyRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.WhyRequest & sky.v1.WhyRequest.$Shape;
        }

        namespace WhyRequest {
            interface $Properties {
                cluster?: string;
                job?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.WhyRequest.$Properties;
        }

        interface IWhyResponse extends sky.v1.WhyResponse.$Properties {
        }

        class WhyResponse {
            constructor(properties?: sky.v1.WhyResponse.$Properties);
            $unknowns?: Uint8Array[];
            summary: string;
            chain: sky.v1.Event[];
            static encode(message: sky.v1.WhyResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.WhyResponse & sky.v1.WhyResponse.$Shape;
        }

        namespace WhyResponse {
            interface $Properties {
                summary?: string;
                chain?: sky.v1.Event.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.WhyResponse.$Properties;
        }

        interface IVersionRequest extends sky.v1.VersionRequest.$Properties {
        }

        class VersionRequest {
            constructor(properties?: sky.v1.VersionRequest.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.VersionRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.VersionRequest & sky.v1.VersionRequest.$Shape;
        }

        namespace VersionRequest {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.VersionRequest.$Properties;
        }

        interface IVersionResponse extends sky.v1.VersionResponse.$Properties {
        }

        class VersionResponse {
            constructor(properties?: sky.v1.VersionResponse.$Properties);
            $unknowns?: Uint8Array[];
            version: string;
            pid: number;
            home: string;
            startedAt: number;
            static encode(message: sky.v1.VersionResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.VersionResponse & sky.v1.VersionResponse.$Shape;
        }

        namespace VersionResponse {
            interface $Properties {
                version?: string;
                pid?: number;
                home?: string;
                startedAt?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.VersionResponse.$Properties;
        }

        interface IInspectRequest extends sky.v1.InspectRequest.$Properties {
        }

        class InspectRequest {
            constructor(properties?: sky.v1.InspectRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            static encode(message: sky.v1.InspectRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.InspectRequest & sky.v1.InspectRequest.$Shape;
        }

        namespace InspectRequest {
            interface $Properties {
                cluster?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.InspectRequest.$Properties;
        }

        interface IInspectResponse extends sky.v1.InspectResponse.$Properties {
        }

        class InspectResponse {
            constructor(properties?: sky.v1.InspectResponse.$Properties);
            $unknowns?: Uint8Array[];
            json: string;
            static encode(message: sky.v1.InspectResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.InspectResponse & sky.v1.InspectResponse.$Shape;
        }

        namespace InspectResponse {
            interface $Properties {
                json?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.InspectResponse.$Properties;
        }

        interface IHostRequest extends sky.v1.HostRequest.$Properties {
        }

        class HostRequest {
            constructor(properties?: sky.v1.HostRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            token: string;
            nodes: sky.v1.Node[];
            region: string;
            command: string;
            user: string;
            static encode(message: sky.v1.HostRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.HostRequest & sky.v1.HostRequest.$Shape;
        }

        namespace HostRequest {
            interface $Properties {
                cluster?: string;
                token?: string;
                nodes?: sky.v1.Node.$Properties[];
                region?: string;
                command?: string;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.HostRequest.$Properties;
        }

        interface IHostResponse extends sky.v1.HostResponse.$Properties {
        }

        class HostResponse {
            constructor(properties?: sky.v1.HostResponse.$Properties);
            $unknowns?: Uint8Array[];
            bulkHost: string;
            bulkPort: number;
            authority: string;
            certificate: string;
            key: string;
            capabilities: string[];
            static encode(message: sky.v1.HostResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.HostResponse & sky.v1.HostResponse.$Shape;
        }

        namespace HostResponse {
            interface $Properties {
                bulkHost?: string;
                bulkPort?: number;
                authority?: string;
                certificate?: string;
                key?: string;
                capabilities?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.HostResponse.$Properties;
        }

        interface IInviteRequest extends sky.v1.InviteRequest.$Properties {
        }

        class InviteRequest {
            constructor(properties?: sky.v1.InviteRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            node: string;
            static encode(message: sky.v1.InviteRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.InviteRequest & sky.v1.InviteRequest.$Shape;
        }

        namespace InviteRequest {
            interface $Properties {
                cluster?: string;
                node?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.InviteRequest.$Properties;
        }

        interface IInviteResponse extends sky.v1.InviteResponse.$Properties {
        }

        class InviteResponse {
            constructor(properties?: sky.v1.InviteResponse.$Properties);
            $unknowns?: Uint8Array[];
            host: string;
            port: number;
            token: string;
            authority: string;
            certificate: string;
            key: string;
            static encode(message: sky.v1.InviteResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.InviteResponse & sky.v1.InviteResponse.$Shape;
        }

        namespace InviteResponse {
            interface $Properties {
                host?: string;
                port?: number;
                token?: string;
                authority?: string;
                certificate?: string;
                key?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.InviteResponse.$Properties;
        }

        interface IWatchRequest extends sky.v1.WatchRequest.$Properties {
        }

        class WatchRequest {
            constructor(properties?: sky.v1.WatchRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            static encode(message: sky.v1.WatchRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.WatchRequest & sky.v1.WatchRequest.$Shape;
        }

        namespace WatchRequest {
            interface $Properties {
                cluster?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.WatchRequest.$Properties;
        }

        interface IWatchResponse extends sky.v1.WatchResponse.$Properties {
        }

        class WatchResponse {
            constructor(properties?: sky.v1.WatchResponse.$Properties);
            $unknowns?: Uint8Array[];
            cluster: sky.v1.Cluster;
            why: string;
            static encode(message: sky.v1.WatchResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.WatchResponse & sky.v1.WatchResponse.$Shape;
        }

        namespace WatchResponse {
            interface $Properties {
                cluster?: sky.v1.Cluster.$Properties;
                why?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.WatchResponse.$Properties;
        }

        interface IJoinRequest extends sky.v1.JoinRequest.$Properties {
        }

        class JoinRequest {
            constructor(properties?: sky.v1.JoinRequest.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            node: string;
            token: string;
            nkeyPublic: string;
            certificateRequest: string;
            version: string;
            wireVersion: number;
            capabilities: string[];
            wireVersionOldest: number;
            static encode(message: sky.v1.JoinRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.JoinRequest & sky.v1.JoinRequest.$Shape;
        }

        namespace JoinRequest {
            interface $Properties {
                cluster?: string;
                node?: string;
                token?: string;
                nkeyPublic?: string;
                certificateRequest?: string;
                version?: string;
                wireVersion?: number;
                capabilities?: string[];
                wireVersionOldest?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.JoinRequest.$Properties;
        }

        interface IJoinResponse extends sky.v1.JoinResponse.$Properties {
        }

        class JoinResponse {
            constructor(properties?: sky.v1.JoinResponse.$Properties);
            $unknowns?: Uint8Array[];
            certificate: string;
            authority: string;
            busUrl: string;
            streamHost: string;
            streamPort: number;
            wireVersion: number;
            capabilities: string[];
            busCredentials: string;
            busAuthority: string;
            static encode(message: sky.v1.JoinResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.JoinResponse & sky.v1.JoinResponse.$Shape;
        }

        namespace JoinResponse {
            interface $Properties {
                certificate?: string;
                authority?: string;
                busUrl?: string;
                streamHost?: string;
                streamPort?: number;
                wireVersion?: number;
                capabilities?: string[];
                busCredentials?: string;
                busAuthority?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.JoinResponse.$Properties;
        }

        interface IBucket extends sky.v1.Bucket.$Properties {
        }

        class Bucket {
            constructor(properties?: sky.v1.Bucket.$Properties);
            $unknowns?: Uint8Array[];
            store: string;
            account: string;
            bucket: string;
            endpoint: string;
            region: string;
            static encode(message: sky.v1.Bucket.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Bucket & sky.v1.Bucket.$Shape;
        }

        namespace Bucket {
            interface $Properties {
                store?: string;
                account?: string;
                bucket?: string;
                endpoint?: string;
                region?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Bucket.$Properties;
        }

        interface ITransferPath extends sky.v1.TransferPath.$Properties {
        }

        class TransferPath {
            constructor(properties?: sky.v1.TransferPath.$Properties);
            $unknowns?: Uint8Array[];
            local: (sky.v1.LocalPlace|null);
            node: (sky.v1.NodePlace|null);
            store: (sky.v1.StorePlace|null);
            at?: ("local"|"node"|"store");
            static encode(message: sky.v1.TransferPath.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferPath & sky.v1.TransferPath.$Shape;
        }

        namespace TransferPath {
            interface $Properties {
                local?: (sky.v1.LocalPlace.$Properties|null);
                node?: (sky.v1.NodePlace.$Properties|null);
                store?: (sky.v1.StorePlace.$Properties|null);
                at?: ("local"|"node"|"store");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              local?: sky.v1.LocalPlace.$Shape|null;
              node?: sky.v1.NodePlace.$Shape|null;
              store?: sky.v1.StorePlace.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ at?: undefined; local?: null; node?: null; store?: null }|{ at?: "local"; local: sky.v1.LocalPlace.$Shape; node?: null; store?: null }|{ at?: "node"; local?: null; node: sky.v1.NodePlace.$Shape; store?: null }|{ at?: "store"; local?: null; node?: null; store: sky.v1.StorePlace.$Shape })
            );
        }

        interface ILocalPlace extends sky.v1.LocalPlace.$Properties {
        }

        class LocalPlace {
            constructor(properties?: sky.v1.LocalPlace.$Properties);
            $unknowns?: Uint8Array[];
            path: string;
            static encode(message: sky.v1.LocalPlace.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.LocalPlace & sky.v1.LocalPlace.$Shape;
        }

        namespace LocalPlace {
            interface $Properties {
                path?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.LocalPlace.$Properties;
        }

        interface INodePlace extends sky.v1.NodePlace.$Properties {
        }

        class NodePlace {
            constructor(properties?: sky.v1.NodePlace.$Properties);
            $unknowns?: Uint8Array[];
            cluster: string;
            node: string;
            path: string;
            static encode(message: sky.v1.NodePlace.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.NodePlace & sky.v1.NodePlace.$Shape;
        }

        namespace NodePlace {
            interface $Properties {
                cluster?: string;
                node?: string;
                path?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.NodePlace.$Properties;
        }

        interface IStorePlace extends sky.v1.StorePlace.$Properties {
        }

        class StorePlace {
            constructor(properties?: sky.v1.StorePlace.$Properties);
            $unknowns?: Uint8Array[];
            bucket: sky.v1.Bucket;
            key: string;
            static encode(message: sky.v1.StorePlace.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StorePlace & sky.v1.StorePlace.$Shape;
        }

        namespace StorePlace {
            interface $Properties {
                bucket?: sky.v1.Bucket.$Properties;
                key?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StorePlace.$Properties;
        }

        enum TransferVerb {
            TRANSFER_VERB_UNSPECIFIED = 0,
            TRANSFER_VERB_COPY = 1,
            TRANSFER_VERB_SYNC = 2
        }

        enum TransferStatus {
            TRANSFER_STATUS_UNSPECIFIED = 0,
            TRANSFER_STATUS_PENDING = 1,
            TRANSFER_STATUS_RUNNING = 2,
            TRANSFER_STATUS_FINISHING = 3,
            TRANSFER_STATUS_SUCCEEDED = 4,
            TRANSFER_STATUS_FAILED = 5,
            TRANSFER_STATUS_CANCELLED = 6
        }

        interface ITransferOrder extends sky.v1.TransferOrder.$Properties {
        }

        class TransferOrder {
            constructor(properties?: sky.v1.TransferOrder.$Properties);
            $unknowns?: Uint8Array[];
            verb: sky.v1.TransferVerb;
            source: sky.v1.TransferPath;
            destinations: sky.v1.TransferPath[];
            recursive: boolean;
            options: sky.v1.TransferOptions;
            user: string;
            command: string;
            idempotencyKey: string;
            static encode(message: sky.v1.TransferOrder.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferOrder & sky.v1.TransferOrder.$Shape;
        }

        namespace TransferOrder {
            interface $Properties {
                verb?: sky.v1.TransferVerb;
                source?: sky.v1.TransferPath.$Properties;
                destinations?: sky.v1.TransferPath.$Properties[];
                recursive?: boolean;
                options?: sky.v1.TransferOptions.$Properties;
                user?: string;
                command?: string;
                idempotencyKey?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              verb?: sky.v1.TransferVerb;
              source?: sky.v1.TransferPath.$Shape;
              destinations?: sky.v1.TransferPath.$Shape[];
              recursive?: boolean;
              options?: sky.v1.TransferOptions.$Shape;
              user?: string;
              command?: string;
              idempotencyKey?: string;
              $unknowns?: Uint8Array[];
            };
        }

        interface ITransferOptions extends sky.v1.TransferOptions.$Properties {
        }

        class TransferOptions {
            constructor(properties?: sky.v1.TransferOptions.$Properties);
            $unknowns?: Uint8Array[];
            solver: string;
            gbps: (number|null);
            pricePerGb: (number|null);
            costMax: (number|null);
            instancesMax: (number|null);
            connections: (number|null);
            multipart: boolean;
            multipartBytes: (number|null);
            verify: string;
            bandwidth: (number|null);
            requesterPays: boolean;
            compress: boolean;
            profile: (string|null);
            filters: sky.v1.TransferFilter[];
            delete: boolean;
            compare: string;
            via: sky.v1.TransferVia;
            static encode(message: sky.v1.TransferOptions.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferOptions & sky.v1.TransferOptions.$Shape;
        }

        namespace TransferOptions {
            interface $Properties {
                solver?: string;
                gbps?: (number|null);
                pricePerGb?: (number|null);
                costMax?: (number|null);
                instancesMax?: (number|null);
                connections?: (number|null);
                multipart?: boolean;
                multipartBytes?: (number|null);
                verify?: string;
                bandwidth?: (number|null);
                requesterPays?: boolean;
                compress?: boolean;
                profile?: (string|null);
                filters?: sky.v1.TransferFilter.$Properties[];
                "delete"?: boolean;
                compare?: string;
                via?: sky.v1.TransferVia.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferOptions.$Properties;
        }

        interface ITransferVia extends sky.v1.TransferVia.$Properties {
        }

        class TransferVia {
            constructor(properties?: sky.v1.TransferVia.$Properties);
            $unknowns?: Uint8Array[];
            clusters: string[];
            static encode(message: sky.v1.TransferVia.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferVia & sky.v1.TransferVia.$Shape;
        }

        namespace TransferVia {
            interface $Properties {
                clusters?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferVia.$Properties;
        }

        interface ITransferFilter extends sky.v1.TransferFilter.$Properties {
        }

        class TransferFilter {
            constructor(properties?: sky.v1.TransferFilter.$Properties);
            $unknowns?: Uint8Array[];
            include: boolean;
            pattern: string;
            static encode(message: sky.v1.TransferFilter.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferFilter & sky.v1.TransferFilter.$Shape;
        }

        namespace TransferFilter {
            interface $Properties {
                include?: boolean;
                pattern?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferFilter.$Properties;
        }

        interface ITransferPlan extends sky.v1.TransferPlan.$Properties {
        }

        class TransferPlan {
            constructor(properties?: sky.v1.TransferPlan.$Properties);
            $unknowns?: Uint8Array[];
            solver: string;
            source: string;
            destinations: string[];
            sites: sky.v1.PlannedSite[];
            edges: sky.v1.PlanEdge[];
            stripes: number;
            gbps: number;
            pricePerGb: number;
            cost: number;
            seconds: number;
            notes: string[];
            static encode(message: sky.v1.TransferPlan.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferPlan & sky.v1.TransferPlan.$Shape;
        }

        namespace TransferPlan {
            interface $Properties {
                solver?: string;
                source?: string;
                destinations?: string[];
                sites?: sky.v1.PlannedSite.$Properties[];
                edges?: sky.v1.PlanEdge.$Properties[];
                stripes?: number;
                gbps?: number;
                pricePerGb?: number;
                cost?: number;
                seconds?: number;
                notes?: string[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferPlan.$Properties;
        }

        interface IPlannedSite extends sky.v1.PlannedSite.$Properties {
        }

        class PlannedSite {
            constructor(properties?: sky.v1.PlannedSite.$Properties);
            $unknowns?: Uint8Array[];
            id: string;
            gateways: number;
            static encode(message: sky.v1.PlannedSite.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.PlannedSite & sky.v1.PlannedSite.$Shape;
        }

        namespace PlannedSite {
            interface $Properties {
                id?: string;
                gateways?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.PlannedSite.$Properties;
        }

        interface IPlanEdge extends sky.v1.PlanEdge.$Properties {
        }

        class PlanEdge {
            constructor(properties?: sky.v1.PlanEdge.$Properties);
            $unknowns?: Uint8Array[];
            from: string;
            to: string;
            gbps: number;
            connections: number;
            pricePerGb: number;
            stripes: number[];
            static encode(message: sky.v1.PlanEdge.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.PlanEdge & sky.v1.PlanEdge.$Shape;
        }

        namespace PlanEdge {
            interface $Properties {
                from?: string;
                to?: string;
                gbps?: number;
                connections?: number;
                pricePerGb?: number;
                stripes?: number[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.PlanEdge.$Properties;
        }

        interface ITransferCounts extends sky.v1.TransferCounts.$Properties {
        }

        class TransferCounts {
            constructor(properties?: sky.v1.TransferCounts.$Properties);
            $unknowns?: Uint8Array[];
            listed: number;
            listedBytes: number;
            isListed: boolean;
            done: number;
            doneBytes: number;
            movingBytes: number;
            skipped: number;
            failed: number;
            deleted: number;
            retries: number;
            rounds: number;
            static encode(message: sky.v1.TransferCounts.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferCounts & sky.v1.TransferCounts.$Shape;
        }

        namespace TransferCounts {
            interface $Properties {
                listed?: number;
                listedBytes?: number;
                isListed?: boolean;
                done?: number;
                doneBytes?: number;
                movingBytes?: number;
                skipped?: number;
                failed?: number;
                deleted?: number;
                retries?: number;
                rounds?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferCounts.$Properties;
        }

        interface ITransfer extends sky.v1.Transfer.$Properties {
        }

        class Transfer {
            constructor(properties?: sky.v1.Transfer.$Properties);
            $unknowns?: Uint8Array[];
            id: number;
            status: sky.v1.TransferStatus;
            verb: sky.v1.TransferVerb;
            source: string;
            destinations: string[];
            user: string;
            command: string;
            submittedAt: number;
            startedAt: (number|null);
            endedAt: (number|null);
            counts: sky.v1.TransferCounts;
            why: string;
            failures: sky.v1.ObjectFailure[];
            plan: sky.v1.TransferPlan;
            cost: number;
            static encode(message: sky.v1.Transfer.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.Transfer & sky.v1.Transfer.$Shape;
        }

        namespace Transfer {
            interface $Properties {
                id?: number;
                status?: sky.v1.TransferStatus;
                verb?: sky.v1.TransferVerb;
                source?: string;
                destinations?: string[];
                user?: string;
                command?: string;
                submittedAt?: number;
                startedAt?: (number|null);
                endedAt?: (number|null);
                counts?: sky.v1.TransferCounts.$Properties;
                why?: string;
                failures?: sky.v1.ObjectFailure.$Properties[];
                plan?: sky.v1.TransferPlan.$Properties;
                cost?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.Transfer.$Properties;
        }

        interface IObjectFailure extends sky.v1.ObjectFailure.$Properties {
        }

        class ObjectFailure {
            constructor(properties?: sky.v1.ObjectFailure.$Properties);
            $unknowns?: Uint8Array[];
            object: string;
            destination: string;
            why: string;
            static encode(message: sky.v1.ObjectFailure.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ObjectFailure & sky.v1.ObjectFailure.$Shape;
        }

        namespace ObjectFailure {
            interface $Properties {
                object?: string;
                destination?: string;
                why?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ObjectFailure.$Properties;
        }

        interface IPreviewTransferRequest extends sky.v1.PreviewTransferRequest.$Properties {
        }

        class PreviewTransferRequest {
            constructor(properties?: sky.v1.PreviewTransferRequest.$Properties);
            $unknowns?: Uint8Array[];
            order: sky.v1.TransferOrder;
            environment: { [k: string]: string };
            static encode(message: sky.v1.PreviewTransferRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.PreviewTransferRequest & sky.v1.PreviewTransferRequest.$Shape;
        }

        namespace PreviewTransferRequest {
            interface $Properties {
                order?: sky.v1.TransferOrder.$Properties;
                environment?: { [k: string]: string };
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              order?: sky.v1.TransferOrder.$Shape;
              environment?: { [k: string]: string };
              $unknowns?: Uint8Array[];
            };
        }

        interface IPreviewTransferResponse extends sky.v1.PreviewTransferResponse.$Properties {
        }

        class PreviewTransferResponse {
            constructor(properties?: sky.v1.PreviewTransferResponse.$Properties);
            $unknowns?: Uint8Array[];
            plan: sky.v1.TransferPlan;
            objects: number;
            bytes: number;
            isPart: boolean;
            sample: sky.v1.PlannedObject[];
            deletes: number;
            notes: string[];
            failed: number;
            static encode(message: sky.v1.PreviewTransferResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.PreviewTransferResponse & sky.v1.PreviewTransferResponse.$Shape;
        }

        namespace PreviewTransferResponse {
            interface $Properties {
                plan?: sky.v1.TransferPlan.$Properties;
                objects?: number;
                bytes?: number;
                isPart?: boolean;
                sample?: sky.v1.PlannedObject.$Properties[];
                deletes?: number;
                notes?: string[];
                failed?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.PreviewTransferResponse.$Properties;
        }

        interface IPlannedObject extends sky.v1.PlannedObject.$Properties {
        }

        class PlannedObject {
            constructor(properties?: sky.v1.PlannedObject.$Properties);
            $unknowns?: Uint8Array[];
            from: string;
            to: string;
            bytes: number;
            static encode(message: sky.v1.PlannedObject.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.PlannedObject & sky.v1.PlannedObject.$Shape;
        }

        namespace PlannedObject {
            interface $Properties {
                from?: string;
                to?: string;
                bytes?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.PlannedObject.$Properties;
        }

        interface IStartTransferRequest extends sky.v1.StartTransferRequest.$Properties {
        }

        class StartTransferRequest {
            constructor(properties?: sky.v1.StartTransferRequest.$Properties);
            $unknowns?: Uint8Array[];
            order: sky.v1.TransferOrder;
            environment: { [k: string]: string };
            static encode(message: sky.v1.StartTransferRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StartTransferRequest & sky.v1.StartTransferRequest.$Shape;
        }

        namespace StartTransferRequest {
            interface $Properties {
                order?: sky.v1.TransferOrder.$Properties;
                environment?: { [k: string]: string };
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              order?: sky.v1.TransferOrder.$Shape;
              environment?: { [k: string]: string };
              $unknowns?: Uint8Array[];
            };
        }

        interface IStartTransferResponse extends sky.v1.StartTransferResponse.$Properties {
        }

        class StartTransferResponse {
            constructor(properties?: sky.v1.StartTransferResponse.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            static encode(message: sky.v1.StartTransferResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.StartTransferResponse & sky.v1.StartTransferResponse.$Shape;
        }

        namespace StartTransferResponse {
            interface $Properties {
                transfer?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.StartTransferResponse.$Properties;
        }

        interface IListTransfersRequest extends sky.v1.ListTransfersRequest.$Properties {
        }

        class ListTransfersRequest {
            constructor(properties?: sky.v1.ListTransfersRequest.$Properties);
            $unknowns?: Uint8Array[];
            user: string;
            skipFinished: boolean;
            limit: number;
            static encode(message: sky.v1.ListTransfersRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ListTransfersRequest & sky.v1.ListTransfersRequest.$Shape;
        }

        namespace ListTransfersRequest {
            interface $Properties {
                user?: string;
                skipFinished?: boolean;
                limit?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ListTransfersRequest.$Properties;
        }

        interface IListTransfersResponse extends sky.v1.ListTransfersResponse.$Properties {
        }

        class ListTransfersResponse {
            constructor(properties?: sky.v1.ListTransfersResponse.$Properties);
            $unknowns?: Uint8Array[];
            transfers: sky.v1.Transfer[];
            static encode(message: sky.v1.ListTransfersResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ListTransfersResponse & sky.v1.ListTransfersResponse.$Shape;
        }

        namespace ListTransfersResponse {
            interface $Properties {
                transfers?: sky.v1.Transfer.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ListTransfersResponse.$Properties;
        }

        interface IGetTransferRequest extends sky.v1.GetTransferRequest.$Properties {
        }

        class GetTransferRequest {
            constructor(properties?: sky.v1.GetTransferRequest.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            static encode(message: sky.v1.GetTransferRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.GetTransferRequest & sky.v1.GetTransferRequest.$Shape;
        }

        namespace GetTransferRequest {
            interface $Properties {
                transfer?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.GetTransferRequest.$Properties;
        }

        interface IGetTransferResponse extends sky.v1.GetTransferResponse.$Properties {
        }

        class GetTransferResponse {
            constructor(properties?: sky.v1.GetTransferResponse.$Properties);
            $unknowns?: Uint8Array[];
            transfer: sky.v1.Transfer;
            static encode(message: sky.v1.GetTransferResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.GetTransferResponse & sky.v1.GetTransferResponse.$Shape;
        }

        namespace GetTransferResponse {
            interface $Properties {
                transfer?: sky.v1.Transfer.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.GetTransferResponse.$Properties;
        }

        interface ITransferFailuresRequest extends sky.v1.TransferFailuresRequest.$Properties {
        }

        class TransferFailuresRequest {
            constructor(properties?: sky.v1.TransferFailuresRequest.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            after: number;
            limit: number;
            static encode(message: sky.v1.TransferFailuresRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferFailuresRequest & sky.v1.TransferFailuresRequest.$Shape;
        }

        namespace TransferFailuresRequest {
            interface $Properties {
                transfer?: number;
                after?: number;
                limit?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferFailuresRequest.$Properties;
        }

        interface ITransferFailuresResponse extends sky.v1.TransferFailuresResponse.$Properties {
        }

        class TransferFailuresResponse {
            constructor(properties?: sky.v1.TransferFailuresResponse.$Properties);
            $unknowns?: Uint8Array[];
            failures: sky.v1.ObjectFailure[];
            static encode(message: sky.v1.TransferFailuresResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferFailuresResponse & sky.v1.TransferFailuresResponse.$Shape;
        }

        namespace TransferFailuresResponse {
            interface $Properties {
                failures?: sky.v1.ObjectFailure.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferFailuresResponse.$Properties;
        }

        interface IFollowTransferRequest extends sky.v1.FollowTransferRequest.$Properties {
        }

        class FollowTransferRequest {
            constructor(properties?: sky.v1.FollowTransferRequest.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            static encode(message: sky.v1.FollowTransferRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.FollowTransferRequest & sky.v1.FollowTransferRequest.$Shape;
        }

        namespace FollowTransferRequest {
            interface $Properties {
                transfer?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.FollowTransferRequest.$Properties;
        }

        interface IFollowTransferResponse extends sky.v1.FollowTransferResponse.$Properties {
        }

        class FollowTransferResponse {
            constructor(properties?: sky.v1.FollowTransferResponse.$Properties);
            $unknowns?: Uint8Array[];
            state: (sky.v1.Transfer|null);
            progress: (sky.v1.TransferProgress|null);
            object: (sky.v1.ObjectDone|null);
            failed: (sky.v1.ObjectFailure|null);
            round: (sky.v1.TransferRound|null);
            event?: ("state"|"progress"|"object"|"failed"|"round");
            static encode(message: sky.v1.FollowTransferResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.FollowTransferResponse & sky.v1.FollowTransferResponse.$Shape;
        }

        namespace FollowTransferResponse {
            interface $Properties {
                state?: (sky.v1.Transfer.$Properties|null);
                progress?: (sky.v1.TransferProgress.$Properties|null);
                object?: (sky.v1.ObjectDone.$Properties|null);
                failed?: (sky.v1.ObjectFailure.$Properties|null);
                round?: (sky.v1.TransferRound.$Properties|null);
                event?: ("state"|"progress"|"object"|"failed"|"round");
                $unknowns?: Uint8Array[];
            }
            type $Shape = {
              state?: sky.v1.Transfer.$Shape|null;
              progress?: sky.v1.TransferProgress.$Shape|null;
              object?: sky.v1.ObjectDone.$Shape|null;
              failed?: sky.v1.ObjectFailure.$Shape|null;
              round?: sky.v1.TransferRound.$Shape|null;
              $unknowns?: Uint8Array[];
            } & (
              ({ event?: undefined; state?: null; progress?: null; object?: null; failed?: null; round?: null }|{ event?: "state"; state: sky.v1.Transfer.$Shape; progress?: null; object?: null; failed?: null; round?: null }|{ event?: "progress"; state?: null; progress: sky.v1.TransferProgress.$Shape; object?: null; failed?: null; round?: null }|{ event?: "object"; state?: null; progress?: null; object: sky.v1.ObjectDone.$Shape; failed?: null; round?: null }|{ event?: "failed"; state?: null; progress?: null; object?: null; failed: sky.v1.ObjectFailure.$Shape; round?: null }|{ event?: "round"; state?: null; progress?: null; object?: null; failed?: null; round: sky.v1.TransferRound.$Shape })
            );
        }

        interface ITransferProgress extends sky.v1.TransferProgress.$Properties {
        }

        class TransferProgress {
            constructor(properties?: sky.v1.TransferProgress.$Properties);
            $unknowns?: Uint8Array[];
            counts: sky.v1.TransferCounts;
            bytesPerSecond: number;
            secondsLeft: (number|null);
            destinations: sky.v1.DestinationProgress[];
            static encode(message: sky.v1.TransferProgress.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferProgress & sky.v1.TransferProgress.$Shape;
        }

        namespace TransferProgress {
            interface $Properties {
                counts?: sky.v1.TransferCounts.$Properties;
                bytesPerSecond?: number;
                secondsLeft?: (number|null);
                destinations?: sky.v1.DestinationProgress.$Properties[];
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferProgress.$Properties;
        }

        interface IDestinationProgress extends sky.v1.DestinationProgress.$Properties {
        }

        class DestinationProgress {
            constructor(properties?: sky.v1.DestinationProgress.$Properties);
            $unknowns?: Uint8Array[];
            done: number;
            doneBytes: number;
            static encode(message: sky.v1.DestinationProgress.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.DestinationProgress & sky.v1.DestinationProgress.$Shape;
        }

        namespace DestinationProgress {
            interface $Properties {
                done?: number;
                doneBytes?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.DestinationProgress.$Properties;
        }

        interface IObjectDone extends sky.v1.ObjectDone.$Properties {
        }

        class ObjectDone {
            constructor(properties?: sky.v1.ObjectDone.$Properties);
            $unknowns?: Uint8Array[];
            object: string;
            destination: string;
            bytes: number;
            digest: string;
            static encode(message: sky.v1.ObjectDone.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ObjectDone & sky.v1.ObjectDone.$Shape;
        }

        namespace ObjectDone {
            interface $Properties {
                object?: string;
                destination?: string;
                bytes?: number;
                digest?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ObjectDone.$Properties;
        }

        interface ITransferRound extends sky.v1.TransferRound.$Properties {
        }

        class TransferRound {
            constructor(properties?: sky.v1.TransferRound.$Properties);
            $unknowns?: Uint8Array[];
            round: number;
            why: string;
            static encode(message: sky.v1.TransferRound.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.TransferRound & sky.v1.TransferRound.$Shape;
        }

        namespace TransferRound {
            interface $Properties {
                round?: number;
                why?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.TransferRound.$Properties;
        }

        interface ICancelTransferRequest extends sky.v1.CancelTransferRequest.$Properties {
        }

        class CancelTransferRequest {
            constructor(properties?: sky.v1.CancelTransferRequest.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            user: string;
            static encode(message: sky.v1.CancelTransferRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.CancelTransferRequest & sky.v1.CancelTransferRequest.$Shape;
        }

        namespace CancelTransferRequest {
            interface $Properties {
                transfer?: number;
                user?: string;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.CancelTransferRequest.$Properties;
        }

        interface ICancelTransferResponse extends sky.v1.CancelTransferResponse.$Properties {
        }

        class CancelTransferResponse {
            constructor(properties?: sky.v1.CancelTransferResponse.$Properties);
            $unknowns?: Uint8Array[];
            static encode(message: sky.v1.CancelTransferResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.CancelTransferResponse & sky.v1.CancelTransferResponse.$Shape;
        }

        namespace CancelTransferResponse {
            interface $Properties {
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.CancelTransferResponse.$Properties;
        }

        interface IResumeTransferRequest extends sky.v1.ResumeTransferRequest.$Properties {
        }

        class ResumeTransferRequest {
            constructor(properties?: sky.v1.ResumeTransferRequest.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            user: string;
            environment: { [k: string]: string };
            static encode(message: sky.v1.ResumeTransferRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ResumeTransferRequest & sky.v1.ResumeTransferRequest.$Shape;
        }

        namespace ResumeTransferRequest {
            interface $Properties {
                transfer?: number;
                user?: string;
                environment?: { [k: string]: string };
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ResumeTransferRequest.$Properties;
        }

        interface IResumeTransferResponse extends sky.v1.ResumeTransferResponse.$Properties {
        }

        class ResumeTransferResponse {
            constructor(properties?: sky.v1.ResumeTransferResponse.$Properties);
            $unknowns?: Uint8Array[];
            transfer: number;
            static encode(message: sky.v1.ResumeTransferResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ResumeTransferResponse & sky.v1.ResumeTransferResponse.$Shape;
        }

        namespace ResumeTransferResponse {
            interface $Properties {
                transfer?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ResumeTransferResponse.$Properties;
        }

        interface IProfileRequest extends sky.v1.ProfileRequest.$Properties {
        }

        class ProfileRequest {
            constructor(properties?: sky.v1.ProfileRequest.$Properties);
            $unknowns?: Uint8Array[];
            clusters: string[];
            seconds: (number|null);
            static encode(message: sky.v1.ProfileRequest.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ProfileRequest & sky.v1.ProfileRequest.$Shape;
        }

        namespace ProfileRequest {
            interface $Properties {
                clusters?: string[];
                seconds?: (number|null);
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ProfileRequest.$Properties;
        }

        interface IProfileResponse extends sky.v1.ProfileResponse.$Properties {
        }

        class ProfileResponse {
            constructor(properties?: sky.v1.ProfileResponse.$Properties);
            $unknowns?: Uint8Array[];
            link: sky.v1.ProfiledLink;
            static encode(message: sky.v1.ProfileResponse.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ProfileResponse & sky.v1.ProfileResponse.$Shape;
        }

        namespace ProfileResponse {
            interface $Properties {
                link?: sky.v1.ProfiledLink.$Properties;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ProfileResponse.$Properties;
        }

        interface IProfiledLink extends sky.v1.ProfiledLink.$Properties {
        }

        class ProfiledLink {
            constructor(properties?: sky.v1.ProfiledLink.$Properties);
            $unknowns?: Uint8Array[];
            from: string;
            to: string;
            gbps: number;
            measuredAt: number;
            static encode(message: sky.v1.ProfiledLink.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;
            static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): sky.v1.ProfiledLink & sky.v1.ProfiledLink.$Shape;
        }

        namespace ProfiledLink {
            interface $Properties {
                from?: string;
                to?: string;
                gbps?: number;
                measuredAt?: number;
                $unknowns?: Uint8Array[];
            }
            type $Shape = sky.v1.ProfiledLink.$Properties;
        }
    }
}
